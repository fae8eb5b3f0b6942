# SPDX-License-Identifier: Apache-2.0
# Writes the shipped prompt as C: cmake -DOUT=FILE -DFILE=judge.txt -P embed.cmake
file(READ ${FILE} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "// Made by forwarder/embed.cmake. Do not edit.
#include \"forwarder/prompt_shipped.h\"

const unsigned char prompt_shipped[] = {
${bytes}};
const size_t prompt_shipped_len = sizeof prompt_shipped;
")
