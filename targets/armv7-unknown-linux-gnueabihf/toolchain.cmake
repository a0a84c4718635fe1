# cmake -DCMAKE_TOOLCHAIN_FILE=targets/armv7-unknown-linux-gnueabihf/toolchain.cmake -DCMAKE_PREFIX_PATH=PREFIX ..
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
