# cmake -DCMAKE_TOOLCHAIN_FILE=targets/aarch64-unknown-linux-gnu/toolchain.cmake -DCMAKE_PREFIX_PATH=PREFIX ..
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
