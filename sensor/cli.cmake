# SPDX-License-Identifier: Apache-2.0
# The command line, and the sensor's resources of the control API.
picket_embed(shipped_completion
	${CMAKE_CURRENT_SOURCE_DIR}/completion/picket.bash
	${CMAKE_CURRENT_SOURCE_DIR}/completion/picket.fish
	${CMAKE_CURRENT_SOURCE_DIR}/completion/picket.zsh)
target_sources(picket_sensor PRIVATE
	${CMAKE_CURRENT_BINARY_DIR}/shipped_completion.c
	cli.c
	cli_audit.c
	cli_audit_export.c
	cli_baseline.c
	cli_blocks.c
	cli_call.c
	cli_clients.c
	cli_completion.c
	cli_detach.c
	cli_events.c
	cli_export.c
	cli_forecast.c
	cli_gateway.c
	cli_crowdsec_test.c
	cli_gateway_test.c
	cli_help.c
	cli_import.c
	cli_kill.c
	cli_lists.c
	cli_manual.c
	cli_metrics.c
	cli_pending.c
	cli_print.c
	cli_routes.c
	cli_replay.c
	cli_settings.c
	cli_status.c
	cli_table.c
	cli_time.c
	cli_top.c
	cli_why.c
	control.c
	control_baseline.c
	control_blocks.c
	control_clients.c
	control_decision.c
	control_events.c
	control_forecast.c
	control_crowdsec.c
	control_gateways.c
	control_lines.c
	control_lists.c
	control_metrics.c
	control_pending.c
	control_routes.c
	control_settings.c
	control_status.c
	control_status_account.c
	control_status_capture.c
	control_status_hints.c
	control_why.c
	top.c
	top_json.c
	top_programs.c
	top_screen.c
	top_view.c
)
target_link_libraries(picket_sensor PRIVATE PkgConfig::NCURSES)
set_source_files_properties(cli.c cli_manual.c control_metrics.c control_status.c PROPERTIES
	COMPILE_DEFINITIONS "PICKET_VERSION=\"${PROJECT_VERSION}\"")
