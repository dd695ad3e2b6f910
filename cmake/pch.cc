// Nothing: the home of the precompiled headers (flags.cmake, tests.cmake).
