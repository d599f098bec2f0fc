# cmake -DOUT=file.c -DFILES="a.kir;b.kir" -P embed.cmake: a C table of the files' texts by base name.
set(arrays "")
set(rows "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)"
         "\\1\n  " bytes "${bytes}")
  string(APPEND arrays "static const char text_${name}[] = {\n  ${bytes}\n};\n")
  string(APPEND rows "  {\"${name}\", text_${name}, sizeof text_${name}},\n")
endforeach()
file(WRITE ${OUT}.new
  "// Made from passes/kernels/*.kir by cmake/embed.cmake.\n#include \"passes/kernel_texts.h\"\n\n"
  "${arrays}\nconst aicc_kernel_text aicc_kernel_texts[] = {\n${rows}  {0},\n};\n")
file(RENAME ${OUT}.new ${OUT})
