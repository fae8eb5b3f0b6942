# SPDX-License-Identifier: Apache-2.0
# The control resources and the command line, over a real control socket; what stands behind them is played by
# control_fixture.c.
set(control_sources
	control_fixture.c
	${CMAKE_SOURCE_DIR}/forwarder/verdict_parse.c
	${CMAKE_SOURCE_DIR}/policies/alerts.c
	${CMAKE_SOURCE_DIR}/policies/buckets.c
	${CMAKE_SOURCE_DIR}/policies/forecast.c
	${CMAKE_SOURCE_DIR}/policies/limits.c
	${CMAKE_SOURCE_DIR}/policies/list.c
	${CMAKE_SOURCE_DIR}/policies/list_crowdsec.c
	${CMAKE_SOURCE_DIR}/policies/list_misp.c
	${CMAKE_SOURCE_DIR}/policies/list_parse.c
	${CMAKE_SOURCE_DIR}/policies/list_stix.c
	${CMAKE_SOURCE_DIR}/policies/list_write.c
	${CMAKE_SOURCE_DIR}/policies/operations.c
	${CMAKE_SOURCE_DIR}/policies/path_segments.c
	${CMAKE_SOURCE_DIR}/policies/proxies.c
	${CMAKE_SOURCE_DIR}/policies/routes.c
	${CMAKE_SOURCE_DIR}/policies/routes_learn.c
	${CMAKE_SOURCE_DIR}/policies/routes_tree.c
	${CMAKE_SOURCE_DIR}/policies/slots.c
	${CMAKE_SOURCE_DIR}/policies/table.c
	${CMAKE_SOURCE_DIR}/sensor/audit.c
	${CMAKE_SOURCE_DIR}/sensor/audit_files.c
	${CMAKE_SOURCE_DIR}/sensor/control.c
	${CMAKE_SOURCE_DIR}/sensor/control_blocks.c
	${CMAKE_SOURCE_DIR}/sensor/control_decision.c
	${CMAKE_SOURCE_DIR}/sensor/control_events.c
	${CMAKE_SOURCE_DIR}/sensor/control_forecast.c
	${CMAKE_SOURCE_DIR}/sensor/control_lines.c
	${CMAKE_SOURCE_DIR}/sensor/control_lists.c
	${CMAKE_SOURCE_DIR}/sensor/control_metrics.c
	${CMAKE_SOURCE_DIR}/sensor/control_pending.c
	${CMAKE_SOURCE_DIR}/sensor/control_routes.c
	${CMAKE_SOURCE_DIR}/sensor/control_settings.c
	${CMAKE_SOURCE_DIR}/sensor/control_status.c
	${CMAKE_SOURCE_DIR}/sensor/control_status_account.c
	${CMAKE_SOURCE_DIR}/sensor/control_status_capture.c
	${CMAKE_SOURCE_DIR}/sensor/control_status_hints.c
	${CMAKE_SOURCE_DIR}/sensor/control_why.c
	${CMAKE_SOURCE_DIR}/sensor/journal.c
	${CMAKE_SOURCE_DIR}/sensor/journal_file.c
	${CMAKE_SOURCE_DIR}/sensor/processes.c
	${CMAKE_SOURCE_DIR}/sensor/store.c
	${CMAKE_SOURCE_DIR}/sensor/store_rows.c
	${CMAKE_SOURCE_DIR}/sensor/tail.c
)
set(cli_sources
	${CMAKE_SOURCE_DIR}/sensor/cli.c
	${CMAKE_SOURCE_DIR}/sensor/cli_audit.c
	${CMAKE_SOURCE_DIR}/sensor/cli_audit_export.c
	${CMAKE_SOURCE_DIR}/sensor/cli_blocks.c
	${CMAKE_SOURCE_DIR}/sensor/cli_call.c
	${CMAKE_SOURCE_DIR}/sensor/cli_detach.c
	${CMAKE_SOURCE_DIR}/sensor/cli_forecast.c
	${CMAKE_SOURCE_DIR}/sensor/cli_events.c
	${CMAKE_SOURCE_DIR}/sensor/cli_export.c
	${CMAKE_SOURCE_DIR}/sensor/cli_import.c
	${CMAKE_SOURCE_DIR}/sensor/cli_help.c
	${CMAKE_SOURCE_DIR}/sensor/cli_kill.c
	${CMAKE_SOURCE_DIR}/sensor/cli_lists.c
	${CMAKE_SOURCE_DIR}/sensor/cli_metrics.c
	${CMAKE_SOURCE_DIR}/sensor/cli_pending.c
	${CMAKE_SOURCE_DIR}/sensor/cli_print.c
	${CMAKE_SOURCE_DIR}/sensor/cli_routes.c
	${CMAKE_SOURCE_DIR}/sensor/cli_settings.c
	${CMAKE_SOURCE_DIR}/sensor/cli_status.c
	${CMAKE_SOURCE_DIR}/sensor/cli_table.c
	${CMAKE_SOURCE_DIR}/sensor/cli_time.c
	${CMAKE_SOURCE_DIR}/sensor/cli_why.c
	${CMAKE_SOURCE_DIR}/sensor/pins.c
)

picket_unit(control picket_lib PkgConfig::SQLITE)
target_sources(control_test PRIVATE ${control_sources})
target_link_options(control_test PRIVATE -Wl,--wrap=api_add)
target_compile_definitions(control_test PRIVATE OPENAPI="${CMAKE_SOURCE_DIR}/docs/openapi.yaml")

picket_unit(top picket_lib PkgConfig::BPF)
target_sources(top_test PRIVATE
	${CMAKE_SOURCE_DIR}/sensor/cli_call.c
	${CMAKE_SOURCE_DIR}/sensor/cli_print.c
	${CMAKE_SOURCE_DIR}/sensor/top.c
	${CMAKE_SOURCE_DIR}/sensor/top_json.c
	${CMAKE_SOURCE_DIR}/sensor/top_programs.c
	${CMAKE_SOURCE_DIR}/sensor/top_view.c
)

picket_unit(cli picket_lib PkgConfig::BPF PkgConfig::SQLITE)
target_sources(cli_test PRIVATE ${control_sources} ${cli_sources})

# What is answered is what docs/openapi.yaml says.
add_test(NAME unit/openapi COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check-openapi $<TARGET_FILE:control_test>)
set_tests_properties(unit/openapi PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)

# What is made from the table of commands, by the program itself.
function(picket_printed name script)
	add_test(NAME unit/${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${script} $<TARGET_FILE:picket>)
	set_tests_properties(unit/${name} PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
endfunction()
picket_printed(commands check-commands)
picket_printed(manual manual.sh)
picket_printed(completion-bash completion-bash.sh)
picket_printed(completion-fish completion-fish.sh)
picket_printed(completion-zsh completion-zsh.sh)
