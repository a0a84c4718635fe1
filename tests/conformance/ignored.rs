//! What is known not to work, by engine and case, and why. A listed case that passes fails the suite.

/// `engine` is the start of an engine's name; `case` is a name in which a `*` stands for anything.
pub struct Ignored {
    pub engine: &'static str,
    pub case: &'static str,
    pub reason: &'static str,
}

const fn row(engine: &'static str, case: &'static str, reason: &'static str) -> Ignored {
    Ignored { engine, case, reason }
}

pub const IGNORED: &[Ignored] = &[
    row("tract", "operators/MatMul(3|3)*", "tract 0.23 has no product of two vectors"),
    row("tract", "operators/Pad(N,4)*", "tract 0.23 does not take negative pads"),
    row("tract", "outputs/fused_dynamo_op18_dynamic_f16_typed", TRACT_HALF),
    row("tract", "outputs/fused_legacy_op17_dynamic_f16", TRACT_HALF),
    row(
        "rten",
        "operators/Dropout*",
        "rten wants random numbers for it; folding removes it from every backbone",
    ),
    row("rten", "operators/Conv(N,4,7,7)*", "rten 0.24 has no dilations in ConvTranspose"),
    row(
        "rten",
        "operators/Einsum(N,2,3|3,4)*",
        "rten 0.24 gives wrong numbers where an operand is broadcast",
    ),
    row("rten", "operators/GroupNormalization*", "rten 0.24 lacks the operator"),
    row("rten", "operators/LpNormalization*", "rten 0.24 lacks the operator"),
    row("rten", "operators/MatMul(N,2,3|3)*", "rten 0.24 panics on a batch of matrices times a vector"),
    row("rten", "operators/Pad(N,4)*", "rten 0.24 does not take negative pads"),
    row("rten", "operators/Pad(N,4,2)*", "rten 0.24 does not take axes of a Pad"),
    row("rten", "operators/ReduceL1*", "rten 0.24 lacks the operator"),
    row("rten", "operators/ReduceLogSumExp*", "rten 0.24 lacks the operator"),
    row("rten", "operators/Selu*", "rten 0.24 lacks the operator"),
    row("rten", "operators/Softsign*", "rten 0.24 lacks the operator"),
    row("rten", "outputs/fused_dynamo_op18_dynamic_f16_typed", "rten 0.24 has no half precision"),
    row("rten", "outputs/fused_legacy_op17_dynamic_f16", "rten 0.24 has no half precision"),
    row("onnxruntime:openvino", "operators/*()*", OPENVINO_RANK_0),
    row("onnxruntime:openvino", "operators/Reduce*(N,3) opset * #2", OPENVINO_RANK_0),
    row("onnxruntime:openvino", "operators/MatMul(3|3)*", OPENVINO_RANK_0),
    row("onnxruntime:openvino", "operators/Gemm(4,2|3,4|)*", OPENVINO_RANK_0),
    row("onnxruntime:openvino", "operators/Sum(2,3)*", OPENVINO_ONE),
    row("onnxruntime:openvino", "operators/Max(2,3)*", OPENVINO_ONE),
    row("onnxruntime:openvino", "operators/Min(2,3)*", OPENVINO_ONE),
    row("onnxruntime:openvino", "operators/Dropout(N,3)*", OPENVINO_DROPOUT),
    row("onnxruntime:openvino", "operators/Dropout(2,3)*", OPENVINO_DROPOUT),
    row("onnxruntime:openvino", "operators/Pad(N,4,2)*", "OpenVINO 2025.4 does not take axes of a Pad"),
    row("onnxruntime:openvino", "operators/ReduceL1(2,3,4) opset 17", OPENVINO_L1),
    row("onnxruntime:openvino", "operators/ReduceL1(N,3,4) opset 17", OPENVINO_L1),
    row("onnxruntime:openvino", "operators/ReduceL1(N,3,4) opset 17 #2", OPENVINO_L1),
];

const OPENVINO_RANK_0: &str =
    "OpenVINO's provider leaves values of rank 0 to the CPU, and falling back is an error";
const OPENVINO_ONE: &str = "OpenVINO 2025.4 gives wrong numbers where Sum, Max or Min have one operand";
const OPENVINO_DROPOUT: &str = "OpenVINO 2025.4 loses an output that a Dropout gives; folding removes it";
const OPENVINO_L1: &str = "OpenVINO 2025.4 ignores axes that are an attribute of ReduceL1";
const TRACT_HALF: &str = "tract 0.23 computes a half-precision Gemm in f32 and refuses its own result; the library \
                          reads the feature before the classifier";

/// Whether `pattern` names `case`.
pub fn matches(pattern: &str, case: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == case };
    let Some(tail) = case.strip_prefix(start) else { return false };
    (0..=tail.len()).any(|at| tail.is_char_boundary(at) && matches(rest, &tail[at..]))
}

/// Why `case` is not expected to pass on `engine`.
pub fn reason(engine: &str, case: &str) -> Option<&'static str> {
    let row = |r: &&Ignored| engine.starts_with(r.engine) && matches(r.case, case);
    IGNORED.iter().find(row).map(|r| r.reason)
}
