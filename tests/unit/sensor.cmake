# SPDX-License-Identifier: Apache-2.0
# event → request
picket_unit(http1 picket_sensor)
picket_unit(stream picket_sensor)
picket_unit(clients picket_sensor)
picket_unit(capture picket_sensor)
picket_unit(tail picket_sensor)
