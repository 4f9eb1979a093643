// The declarations of litert_api.h are those of one version; another one's may differ.
#pragma once

// Throws Problem where the library that was loaded lies in a wheel of another LiteRT. Elsewhere, in
// an app's own folder say, nothing tells the version: keep to the one that the program was built
// with.
void check_litert_version();
