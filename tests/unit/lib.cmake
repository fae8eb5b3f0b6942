# lib/: the ground floor
picket_unit(addr picket_lib)
picket_unit(buffer picket_lib)
picket_unit(queue picket_lib)
picket_unit(clock picket_lib)
picket_unit(log picket_lib)
picket_unit(event picket_lib)
picket_unit(api picket_lib)
