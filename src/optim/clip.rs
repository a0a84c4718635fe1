//! Gradient clipping.

use ndarray::Array2;

/// Scales all `grads` together so that their joint Euclidean norm is at most `max`; returns the norm before. As
/// `torch.nn.utils.clip_grad_norm_`. A norm that is not finite scales nothing: the caller sees it and drops the batch.
pub fn clip(grads: &mut [Array2<f32>], max: f32) -> f32 {
    let squares: f64 = grads.iter().flat_map(|g| g.iter()).map(|&x| f64::from(x) * f64::from(x)).sum();
    let norm = squares.sqrt() as f32;
    let scale = max / (norm + 1e-6);
    if norm.is_finite() && scale < 1.0 {
        grads.iter_mut().for_each(|g| g.mapv_inplace(|x| x * scale));
    }
    norm
}
