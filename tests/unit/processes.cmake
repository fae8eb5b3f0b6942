# SPDX-License-Identifier: Apache-2.0
# The two processes' own parts. The warden's answers are played by the test.
set(enforcer_sources ${CMAKE_SOURCE_DIR}/sensor/adopt.c
	${CMAKE_SOURCE_DIR}/sensor/audit.c ${CMAKE_SOURCE_DIR}/sensor/audit_files.c
	${CMAKE_SOURCE_DIR}/sensor/journal.c ${CMAKE_SOURCE_DIR}/sensor/journal_file.c
	${CMAKE_SOURCE_DIR}/sensor/store.c ${CMAKE_SOURCE_DIR}/sensor/store_rows.c
	${CMAKE_SOURCE_DIR}/sensor/enforcer.c ${CMAKE_SOURCE_DIR}/sensor/clients.c
	${CMAKE_SOURCE_DIR}/sensor/desired.c ${CMAKE_SOURCE_DIR}/sensor/facts.c ${CMAKE_SOURCE_DIR}/sensor/pending.c
	${CMAKE_SOURCE_DIR}/sensor/rejected.c
	${CMAKE_SOURCE_DIR}/sensor/adopt_settings.c ${CMAKE_SOURCE_DIR}/sensor/decision.c
	${CMAKE_SOURCE_DIR}/sensor/history.c ${CMAKE_SOURCE_DIR}/sensor/installer.c ${CMAKE_SOURCE_DIR}/sensor/why.c
	${CMAKE_SOURCE_DIR}/sensor/lists.c ${CMAKE_SOURCE_DIR}/sensor/reconcile.c)
picket_unit(enforcer picket_policies picket_lib PkgConfig::SQLITE)
target_sources(enforcer_test PRIVATE ${enforcer_sources})
# The attacks on the guard, played; prints what happened.
picket_unit(attacks picket_policies picket_lib PkgConfig::SQLITE)
target_sources(attacks_test PRIVATE ${enforcer_sources})

picket_unit(pending picket_sensor)
picket_unit(audit picket_sensor)
picket_unit(audit_files picket_sensor)
picket_unit(journal picket_sensor)
picket_unit(journal_file picket_sensor)
picket_unit(memory picket_sensor)
picket_unit(store picket_sensor)
picket_unit(sandbox picket_sensor)
picket_unit(abi)
picket_unit(processes picket_sensor)
