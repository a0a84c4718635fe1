//! Where the numbers of a [`Preprocess`] come from.
//!
//! First found wins, and options override single fields of it:
//!
//! 1. the ONNX metadata: a JSON text under `preprocessor_config` (Hugging Face) or `pretrained_cfg` (timm), or plain
//!    keys `mean`, `std`, `input_size`, `crop_pct`, `interpolation`;
//! 2. `preprocessor_config.json` beside the model, or `pretrained_cfg` in `config.json` beside it;
//! 3. the vision transformer default, which is a guess: [`Source::Default`] says so.
//!
//! Invariant: the result has the size of the model's input, or [`resolve`] fails.
//!
//! What it does not do: find out whether the numbers are right. Only accuracy shows that.

use std::{collections::BTreeMap, fmt, path::Path, path::PathBuf, str::FromStr};

use serde_json::Value;

use super::{Filter, Preprocess, Resize};
use crate::error::{Context, Error, Result};
use crate::{bail, err};

/// Largest configuration file that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Fields given by hand: `resize=224,crop=224,filter=bicubic,mean=0.5:0.5:0.5,std=0.5:0.5:0.5,scale=0.0039`.
///
/// `resize` is `N` (short side), `WxH` or `none`; `crop` is `N` or `none`; one number for `mean` or `std` stands for three.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Change of size.
    pub resize: Option<Resize>,
    /// Side of the crop; `Some(None)` for none.
    pub crop: Option<Option<u32>>,
    /// Kernel of the resize.
    pub filter: Option<Filter>,
    /// Factor on the 8-bit levels.
    pub scale: Option<f32>,
    /// Subtracted per channel.
    pub mean: Option<[f32; 3]>,
    /// Divisor per channel.
    pub std: Option<[f32; 3]>,
}

impl Overrides {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `base` with the given fields replaced.
    pub fn over(&self, base: Preprocess) -> Preprocess {
        Preprocess {
            resize: self.resize.unwrap_or(base.resize),
            crop: self.crop.unwrap_or(base.crop),
            filter: self.filter.unwrap_or(base.filter),
            scale: self.scale.unwrap_or(base.scale),
            mean: self.mean.unwrap_or(base.mean),
            std: self.std.unwrap_or(base.std),
        }
    }
}

impl FromStr for Overrides {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut out = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                bail!(
                    InvalidArgument,
                    "{part:?} is not key=value; an example: resize=224,crop=224,mean=0.5,std=0.5"
                );
            };
            let (key, value) = (key.trim(), value.trim());
            let place = || format!("{key}={value}");
            match key {
                "resize" => out.resize = Some(parse_resize(value).at(place)?),
                "crop" if value == "none" => out.crop = Some(None),
                "crop" => out.crop = Some(Some(number(value).at(place)?)),
                "filter" => out.filter = Some(value.parse()?),
                "scale" => out.scale = Some(number(value).at(place)?),
                "mean" => out.mean = Some(channels(value).at(place)?),
                "std" => out.std = Some(channels(value).at(place)?),
                _ => bail!(
                    InvalidArgument,
                    "no field {key:?}; the fields are resize, crop, filter, scale, mean, std"
                ),
            }
        }
        Ok(out)
    }
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| err!(InvalidArgument, "{text:?} is not a number that fits here"))
}

fn channels(text: &str) -> Result<[f32; 3]> {
    let values = text.split(':').map(number).collect::<Result<Vec<f32>>>()?;
    match values[..] {
        [x] => Ok([x; 3]),
        [r, g, b] => Ok([r, g, b]),
        _ => bail!(InvalidArgument, "one number or three with colons (R:G:B), not {}", values.len()),
    }
}

fn parse_resize(text: &str) -> Result<Resize> {
    match text.split_once('x') {
        _ if text == "none" => Ok(Resize::None),
        Some((width, height)) => Ok(Resize::Exact { width: number(width)?, height: number(height)? }),
        None => Ok(Resize::Short(number(text)?)),
    }
}

/// What is known about the model and the pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// `metadata_props` of the ONNX file.
    pub metadata: Option<&'a BTreeMap<String, String>>,
    /// Path of the ONNX file; configuration files are sought in its folder.
    pub model: Option<&'a Path>,
    /// `(width, height)` of the model's input, where it is fixed.
    pub input: Option<(u32, u32)>,
    /// `(width, height)` of every picture of the data set, where they share one.
    pub pictures: Option<(u32, u32)>,
}

/// Where a [`Preprocess`] was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The named key of the ONNX metadata.
    Metadata(String),
    /// A file beside the model.
    File(PathBuf),
    /// Nowhere: the default of vision transformers.
    Default,
}

/// A [`Preprocess`] and where it came from; prints as one line for the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// What to apply.
    pub preprocess: Preprocess,
    /// Where it was found.
    pub source: Source,
    /// Whether options replaced some of it.
    pub overridden: bool,
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "preprocessing {} ", self.preprocess)?;
        match &self.source {
            Source::Metadata(key) => write!(f, "(from the model's metadata, {key})")?,
            Source::File(path) => write!(f, "(from {})", path.display())?,
            Source::Default if self.overridden => f.write_str("(vision transformer default)")?,
            Source::Default => f.write_str(
                "(the model does not say: this is the vision transformer default; pass the fields that differ as options)",
            )?,
        }
        f.write_str(if self.overridden { ", with options" } else { "" })
    }
}

/// Finds the preprocessing for a model; see the module page for the order.
///
/// # Errors
/// `Parse` for a configuration that cannot be read, `InvalidArgument` for one that makes no sense, `Shape` when the
/// result has another size than the model's input.
pub fn resolve(overrides: &Overrides, hints: &Hints<'_>) -> Result<Resolved> {
    let found = match hints.metadata.map(from_metadata).transpose()?.flatten() {
        Some(found) => Some(found),
        None => hints.model.map(from_files).transpose()?.flatten(),
    };
    let (base, source) = found.unwrap_or_else(|| (default_for(hints), Source::Default));
    let resolved = Resolved { preprocess: overrides.over(base), source, overridden: !overrides.is_empty() };
    let size = resolved.preprocess.output_size().at(|| resolved.to_string())?;
    match hints.input {
        Some(input) if input != size => bail!(
            Shape,
            "{resolved} gives {}x{} pixels but the model takes {}x{}; pass resize={},crop={}",
            size.0,
            size.1,
            input.0,
            input.1,
            Preprocess::vit(input.0.min(input.1)).resize,
            input.0.min(input.1)
        ),
        _ => Ok(resolved),
    }
}

fn default_for(hints: &Hints<'_>) -> Preprocess {
    let (width, height) = hints.input.unwrap_or((224, 224));
    if width != height {
        return Preprocess {
            resize: Resize::Exact { width, height },
            crop: None,
            ..Preprocess::direct(width)
        };
    }
    match hints.pictures {
        // Small pictures have no margin to give away, and a square needs no crop.
        Some((w, h)) if w == h && w < width => Preprocess::direct(width),
        _ => Preprocess::vit(width),
    }
}

type Found = Option<(Preprocess, Source)>;

fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Found> {
    for key in ["preprocessor_config", "preprocessor_config.json", "pretrained_cfg"] {
        let Some(text) = metadata.get(key) else { continue };
        let place = || format!("ONNX metadata, {key}");
        let json = parse_json(text).at(place)?;
        if let Some(preprocess) = from_json(&json).at(place)? {
            return Ok(Some((preprocess, Source::Metadata(key.into()))));
        }
    }
    let plain = ["mean", "std", "input_size", "crop_pct", "crop_mode", "interpolation"];
    let fields = plain.iter().filter_map(|key| {
        let text = metadata.get(*key)?;
        Some(((*key).to_string(), parse_json(text).unwrap_or_else(|_| Value::String(text.clone()))))
    });
    let json = Value::Object(fields.collect());
    let found = from_timm(&json).at(|| "ONNX metadata".into())?;
    Ok(found.map(|preprocess| (preprocess, Source::Metadata("mean, std, ...".into()))))
}

fn from_files(model: &Path) -> Result<Found> {
    for name in ["preprocessor_config.json", "config.json"] {
        let path = model.with_file_name(name);
        let Ok(about) = std::fs::metadata(&path) else { continue };
        if about.len() > MAX_CONFIG_BYTES {
            bail!(
                Parse,
                "{} is {} bytes long; that is no preprocessing configuration",
                path.display(),
                about.len()
            );
        }
        let read = || from_json(&parse_json(&std::fs::read_to_string(&path)?)?);
        if let Some(preprocess) = read().at(|| path.display().to_string())? {
            return Ok(Some((preprocess, Source::File(path))));
        }
    }
    Ok(None)
}

fn parse_json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| err!(Parse, "not JSON").caused_by(e))
}

/// Either known form; `None` for JSON that does not speak of pictures.
fn from_json(json: &Value) -> Result<Option<Preprocess>> {
    if let Some(inner) = json.get("pretrained_cfg") {
        return from_timm(inner);
    }
    if json.get("image_mean").is_some() || json.get("size").is_some_and(|_| json.get("do_resize").is_some()) {
        return from_hugging_face(json).map(Some);
    }
    from_timm(json)
}

/// `preprocessor_config.json` of Hugging Face's image processors.
fn from_hugging_face(json: &Value) -> Result<Preprocess> {
    let does = |key: &str| json.get(key).and_then(Value::as_bool);
    let crop = match (json.get("crop_size").and_then(side), does("do_center_crop")) {
        (_, Some(false)) => None,
        (crop, _) => crop,
    };
    let crops = crop.is_some();
    let mut preprocess = Preprocess { crop, ..Preprocess::direct(224) };
    if let Some(size) = json.get("size") {
        preprocess.resize = hugging_face_resize(size, crops)?;
    }
    // ConvNeXt's processor: enlarge by 1 / crop_pct, then cut the size out again.
    if let (Some(share), Resize::Short(n)) = (json.get("crop_pct").and_then(Value::as_f64), preprocess.resize)
    {
        if share > 0.0 && share < 1.0 && n < 384 {
            preprocess.resize = Resize::Short((f64::from(n) / share) as u32);
        }
        preprocess.crop = Some(n);
    }
    if does("do_resize") == Some(false) {
        preprocess.resize = Resize::None;
    }
    if let Some(code) = json.get("resample").and_then(Value::as_u64) {
        preprocess.filter = pillow_filter(code)?;
    }
    if does("do_rescale") == Some(false) {
        preprocess.scale = 1.0;
    } else if let Some(scale) = json.get("rescale_factor").and_then(Value::as_f64) {
        preprocess.scale = scale as f32;
    }
    if does("do_normalize") == Some(false) {
        (preprocess.mean, preprocess.std) = ([0.0; 3], [1.0; 3]);
    } else {
        preprocess.mean = json.get("image_mean").map_or(Ok([0.5; 3]), |v| triple(v, "image_mean"))?;
        preprocess.std = json.get("image_std").map_or(Ok([0.5; 3]), |v| triple(v, "image_std"))?;
    }
    Ok(preprocess)
}

fn hugging_face_resize(size: &Value, crops: bool) -> Result<Resize> {
    let field = |key: &str| size.get(key).and_then(pixels);
    match (field("shortest_edge"), field("height"), field("width"), pixels(size)) {
        (Some(n), ..) => Ok(Resize::Short(n)),
        (_, Some(height), Some(width), _) => Ok(Resize::Exact { width, height }),
        // The old form, one number: the short side where a crop follows (CLIP), else a square (ViT).
        (_, _, _, Some(n)) if crops => Ok(Resize::Short(n)),
        (_, _, _, Some(n)) => Ok(Resize::Exact { width: n, height: n }),
        _ => bail!(Unsupported, "size is {size}; give resize=N or resize=WxH as an option"),
    }
}

/// Pillow's resampling numbers, which Hugging Face stores.
fn pillow_filter(code: u64) -> Result<Filter> {
    Ok(match code {
        0 => Filter::Nearest,
        1 => Filter::Lanczos,
        2 => Filter::Bilinear,
        3 => Filter::Bicubic,
        4 => Filter::Box,
        5 => Filter::Hamming,
        _ => bail!(Parse, "resample is {code}; Pillow's filters are 0 to 5"),
    })
}

/// timm's `pretrained_cfg`; `None` where neither mean nor std is given.
fn from_timm(json: &Value) -> Result<Option<Preprocess>> {
    if json.get("mean").is_none() && json.get("std").is_none() {
        return Ok(None);
    }
    let n = match json.get("input_size") {
        None => 224,
        Some(size) => {
            let last = size.as_array().and_then(|sides| sides.last()).unwrap_or(size);
            pixels(last).ok_or_else(|| err!(Parse, "input_size is {size}, not [3, height, width]"))?
        }
    };
    let share = json.get("crop_pct").and_then(Value::as_f64).unwrap_or(0.875);
    if !(share > 0.0 && share <= 1.0) {
        bail!(Parse, "crop_pct is {share}, not above 0 and at most 1");
    }
    let larger = (f64::from(n) / share) as u32;
    let squash = json.get("crop_mode").and_then(Value::as_str) == Some("squash");
    let resize = if squash { Resize::Exact { width: larger, height: larger } } else { Resize::Short(larger) };
    let mut preprocess = Preprocess { resize, ..Preprocess::direct(n) };
    if let Some(name) = json.get("interpolation").and_then(Value::as_str) {
        preprocess.filter = name.parse()?;
    }
    preprocess.mean = json.get("mean").map_or(Ok([0.485, 0.456, 0.406]), |v| triple(v, "mean"))?;
    preprocess.std = json.get("std").map_or(Ok([0.229, 0.224, 0.225]), |v| triple(v, "std"))?;
    Ok(Some(preprocess))
}

fn pixels(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// `224` or `{"height": 224, "width": 224}`.
fn side(value: &Value) -> Option<u32> {
    pixels(value).or_else(|| {
        let (height, width) = (value.get("height").and_then(pixels)?, value.get("width").and_then(pixels)?);
        (height == width).then_some(height)
    })
}

fn triple(value: &Value, key: &str) -> Result<[f32; 3]> {
    let numbers: Vec<f32> = match value {
        Value::String(text) => channels(&text.replace([',', ' '], ":"))?.to_vec(),
        Value::Array(items) => items.iter().filter_map(Value::as_f64).map(|x| x as f32).collect(),
        other => other.as_f64().map(|x| vec![x as f32; 3]).unwrap_or_default(),
    };
    numbers.try_into().map_err(|_| err!(Parse, "{key} is {value}, not three numbers"))
}
