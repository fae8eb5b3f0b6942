# SPDX-License-Identifier: Apache-2.0
picket_unit(segments picket_policies picket_lib)
picket_unit(operations picket_policies picket_lib)
