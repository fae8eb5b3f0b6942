# SPDX-License-Identifier: Apache-2.0
# picket doctor; cli_doctor.c itself is named in CMakeLists.txt.
target_sources(picket_sensor PRIVATE
	cli_doctor_host.c
	doctor.c
	doctor_loop.c
	doctor_ports.c
	kernel_trial.c
	scratch.c
)
