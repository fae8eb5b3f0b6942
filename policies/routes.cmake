# SPDX-License-Identifier: Apache-2.0
# Where in the API a request went.
target_sources(picket_policies PRIVATE
	openapi.c
	operations.c
	path_segments.c
	request_path.c
	routes.c
	routes_learn.c
	routes_save.c
	routes_state.c
	routes_tree.c
	sketch.c
)
target_link_libraries(picket_policies PUBLIC m Threads::Threads)
