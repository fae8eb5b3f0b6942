# SPDX-License-Identifier: Apache-2.0
picket_unit(verdict_parse picket_forwarder)
