# SPDX-License-Identifier: Apache-2.0
# Writes shipped files as C: cmake -DOUT=FILE -DTABLE=NAME -DFILES=a.yaml,b.yaml -P embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(table "")
set(number 0)
foreach(file ${files})
	get_filename_component(name ${file} NAME)
	file(READ ${file} hex HEX)
	string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}};\n")
	string(APPEND table "\t{\"${name}\", file_${number}, sizeof file_${number}},\n")
	math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// Made by policies/embed.cmake. Do not edit.
#include \"policies/shipped.h\"

${arrays}
const struct shipped_file ${TABLE}[] = {
${table}\t{0, 0, 0},
};
")
