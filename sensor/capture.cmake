# event → request
target_sources(picket_sensor PRIVATE http1.c stream.c clients.c tail.c)
