# cmake -DCMAKE_TOOLCHAIN_FILE=targets/riscv64gc-unknown-linux-gnu/toolchain.cmake -DCMAKE_PREFIX_PATH=PREFIX ..
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(CMAKE_C_COMPILER riscv64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER riscv64-linux-gnu-g++)
