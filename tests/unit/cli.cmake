# SPDX-License-Identifier: Apache-2.0
# The control resources and the command line, over a real control socket; what stands behind them is played by
# control_fixture.c.
picket_unit(control picket_sensor)
target_sources(control_test PRIVATE control_fixture.c)
target_link_options(control_test PRIVATE -Wl,--wrap=api_add)
target_compile_definitions(control_test PRIVATE OPENAPI="${CMAKE_SOURCE_DIR}/docs/openapi.yaml")

picket_unit(top picket_sensor)

picket_unit(cli picket_sensor)
target_sources(cli_test PRIVATE control_fixture.c)

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
