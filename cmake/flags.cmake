# SPDX-License-Identifier: Apache-2.0
# Compiler flags of all our C code, gcc and clang alike.
add_compile_options(-Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wundef
	-Wvla -Wformat=2 -Wno-format-nonliteral -fno-common -fstack-protector-strong -D_GNU_SOURCE)
if(PICKET_WERROR)
	add_compile_options(-Werror)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT PICKET_SANITIZE)
	add_compile_options(-D_FORTIFY_SOURCE=2)
endif()
add_compile_options(-fPIE)
add_link_options(-pie -Wl,-z,relro,-z,now)

if(PICKET_SANITIZE)
	add_compile_options(-fsanitize=${PICKET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
	add_link_options(-fsanitize=${PICKET_SANITIZE})
endif()
if(PICKET_COVERAGE)
	add_compile_options(--coverage -O0)
	add_link_options(--coverage)
endif()
