// NumPy's .npy files, versions 1 to 3.
//
// Types that NumPy lacks are stored as NumPy stores them for ml_dtypes: raw elements, '<V2' or
// '|V1'. Strings are stored as UTF-32 ('<U5'), and read from those or from bytes ('|S5').
#ifndef AICC_TOOLS_NPY_H
#define AICC_TOOLS_NPY_H

#include "ir/eval.h"

// |want| says what raw elements are, and is not enforced otherwise. AICC_IO (E0301), AICC_INVALID
// (E0801) for what is no .npy file, AICC_UNSUPPORTED (E0801) for types such as objects. The caller
// deinits |out|.
AICC_MUST_USE aicc_status aicc_npy_read(const char *path, aicc_dtype want, aicc_diags *diags,
                                        aicc_eval_value *out);

// AICC_IO (E0802).
AICC_MUST_USE aicc_status aicc_npy_write(const char *path, const aicc_eval_value *tensor,
                                         aicc_diags *diags);

#endif
