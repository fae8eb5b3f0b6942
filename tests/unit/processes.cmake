# SPDX-License-Identifier: Apache-2.0
# The two processes' own parts. The warden's answers are played by the tests.
picket_unit(enforcer picket_sensor)
# The attacks on the guard, played; prints what happened.
picket_unit(attacks picket_sensor)

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
