// litert_api.h declares the API of one LiteRT version; other versions may differ.
#pragma once

// Throws Problem if the loaded library belongs to a wheel of another LiteRT version. Outside a
// wheel, for example in an application's folder, the version cannot be determined: use the version
// that the program was built with.
void check_litert_version();
