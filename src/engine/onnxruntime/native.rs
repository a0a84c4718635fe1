//! The calls that `ort` does not have: a value over bytes that others own, and one arena for all sessions.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::sys::{ONNXTensorElementDataType, OrtStatusPtr};
use ort::value::DynValue;

use crate::graph::Tensor;

/// Grow by what is asked for, not to the next power of two.
const SAME_AS_REQUESTED: c_int = 1;

#[allow(unsafe_code)]
fn checked(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: the status comes from the call just made and is consumed here, once.
    unsafe { ort::Error::result_from_status(status) }
}

fn memory(kind: AllocatorType) -> ort::Result<MemoryInfo> {
    MemoryInfo::new(AllocationDevice::CPU, 0, kind, MemoryType::Default)
}

/// A value that reads the bytes of `tensor`, which is in f32. It must not outlive `tensor`, nor be written to.
#[allow(unsafe_code)]
pub fn view(tensor: &Tensor) -> ort::Result<DynValue> {
    let shape: Vec<i64> = tensor.shape().iter().map(|&d| d as i64).collect();
    let (bytes, info) = (tensor.bytes(), memory(AllocatorType::Device)?);
    let mut value = ptr::null_mut();
    // SAFETY: shape and bytes are read within their lengths, and the number of bytes is that of the shape in f32 (an
    // invariant of `Tensor`; the library checks it again). The library writes to no initializer, so a pointer to
    // shared bytes may be passed as mutable. The caller keeps `tensor`.
    checked(unsafe {
        (ort::api().CreateTensorWithDataAsOrtValue)(
            info.ptr(),
            bytes.as_ptr().cast_mut().cast(),
            bytes.len(),
            shape.as_ptr(),
            shape.len(),
            ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
            &mut value,
        )
    })?;
    let value = NonNull::new(value).ok_or_else(|| ort::Error::new("no value was made"))?;
    // SAFETY: the value was made just above and belongs to nobody else.
    Ok(unsafe { DynValue::from_ptr(value, None) })
}

/// One arena of the CPU for all sessions: they run one after another, and each would keep its largest run's memory.
#[allow(unsafe_code)]
pub fn share_arena() -> ort::Result<()> {
    let (environment, info) = (ort::environment::Environment::current()?, memory(AllocatorType::Arena)?);
    let mut settings = ptr::null_mut();
    // SAFETY: the numbers are taken by value; 0 is no limit, -1 the default. `settings` is released below.
    checked(unsafe { (ort::api().CreateArenaCfg)(0, SAME_AS_REQUESTED, -1, -1, &mut settings) })?;
    // SAFETY: environment and memory info live through the call, and the library copies the settings.
    let registered = checked(unsafe {
        (ort::api().CreateAndRegisterAllocator)(environment.ptr().cast_mut(), info.ptr(), settings)
    });
    // SAFETY: made above, and used by nobody any more.
    unsafe { (ort::api().ReleaseArenaCfg)(settings) };
    registered
}
