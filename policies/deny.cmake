# SPDX-License-Identifier: Apache-2.0
target_sources(picket_policies PRIVATE deny.c deny_filter.c deny_hash.c)
target_link_libraries(picket_policies PUBLIC PkgConfig::BPF)
