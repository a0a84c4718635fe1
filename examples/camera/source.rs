//! Where frames come from.

use std::fs::File;
use std::io::{BufReader, Read};

use perennial::data::Picture;
use perennial::data::draw::Family;
use perennial::frame::{Format, Frame, Plane};
use perennial::{Error, ErrorKind, Result};

/// Drawn tools in the order in which they pass by first, and frames of each. After that all pass by again and again.
const FIRST: [usize; 8] = [0, 1, 0, 1, 0, 1, 2, 3];
/// The ones among them that somebody names.
const NAMED: [usize; 4] = [0, 1, 6, 7];
const SHOWN: usize = 16;
/// Drawn frames at most, and pixels a side.
const MOST: usize = 6000;
const SIDE: usize = 192;

/// A frame in memory of its own.
pub struct Shot {
    format: Format,
    width: u32,
    height: u32,
    planes: Vec<(Vec<u8>, usize)>,
}

impl Shot {
    /// A view of it.
    pub fn frame(&self) -> Result<Frame<'_>> {
        let planes: Vec<Plane<'_>> =
            self.planes.iter().map(|(bytes, stride)| Plane::new(bytes, *stride)).collect();
        Frame::new(self.format, self.width, self.height, &planes)
    }

    fn rgb(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        Self { format: Format::Rgb, width, height, planes: vec![(rgb, 3 * width as usize)] }
    }
}

/// Frames, one after the other.
pub enum Source {
    Y4m { decoder: Box<y4m::Decoder<Box<dyn Read>>>, live: bool },
    Jpegs(Vec<u8>),
    Drawn(usize),
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, what)
}

impl Source {
    pub fn open(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::Drawn(0)) };
        let open = || File::open(name).map_err(|e| Error::from(e).at(name));
        if name.ends_with(".mjpeg") || name.ends_with(".mjpg") {
            let mut bytes = Vec::new();
            open()?.read_to_end(&mut bytes)?;
            return Ok(Self::Jpegs(bytes));
        }
        let reader: Box<dyn Read> = match name {
            "-" => Box::new(std::io::stdin()),
            _ => Box::new(BufReader::new(open()?)),
        };
        let decoder = y4m::decode(reader).map_err(|e| wrong(format!("{name} is no Y4M: {e}")))?;
        Ok(Self::Y4m { decoder: Box::new(decoder), live: name == "-" })
    }

    /// Whether frames come when they come; others are there at once.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Y4m { live: true, .. })
    }

    pub fn next(&mut self) -> Result<Option<Shot>> {
        match self {
            Self::Y4m { decoder, .. } => y4m(decoder),
            Self::Jpegs(bytes) => jpeg(bytes),
            Self::Drawn(n) => {
                *n += 1;
                let rgb = Family::themes()[1].draw(tool(*n), 0, *n as u64, SIDE);
                Ok((*n < MOST).then(|| Shot::rgb(SIDE as u32, SIDE as u32, rgb)))
            }
        }
    }

    /// What the last frame shows, where that is known.
    pub fn shows(&self) -> Option<String> {
        match self {
            Self::Drawn(n) => Some(Family::themes()[1].name(tool(*n))),
            _ => None,
        }
    }

    /// What somebody who stands by says of it.
    pub fn named(&self) -> Option<String> {
        match self {
            Self::Drawn(n) if NAMED.contains(&(n / SHOWN)) => self.shows(),
            _ => None,
        }
    }
}

fn tool(n: usize) -> usize {
    *FIRST.get(n / SHOWN).unwrap_or(&(n / SHOWN % 4))
}

fn y4m(decoder: &mut y4m::Decoder<Box<dyn Read>>) -> Result<Option<Shot>> {
    let (width, height) = (decoder.get_width(), decoder.get_height());
    let colours = decoder.get_colorspace();
    let format = match colours {
        y4m::Colorspace::Cmono => Format::Gray,
        y4m::Colorspace::C420
        | y4m::Colorspace::C420jpeg
        | y4m::Colorspace::C420paldv
        | y4m::Colorspace::C420mpeg2 => Format::I420,
        other => return Err(wrong(format!("Y4M of {other:?}; make it yuv420p"))),
    };
    let frame = match decoder.read_frame() {
        Ok(frame) => frame,
        Err(y4m::Error::EOF) => return Ok(None),
        Err(e) => return Err(wrong(format!("a frame of the Y4M: {e}"))),
    };
    let luma = (frame.get_y_plane().to_vec(), width);
    let chroma = [frame.get_u_plane(), frame.get_v_plane()].map(|plane| (plane.to_vec(), width.div_ceil(2)));
    let planes = match format {
        Format::Gray => vec![luma],
        _ => std::iter::once(luma).chain(chroma).collect(),
    };
    Ok(Some(Shot { format, width: width as u32, height: height as u32, planes }))
}

/// The first of the pictures that are left: from its beginning to where the next one begins.
fn jpeg(bytes: &mut Vec<u8>) -> Result<Option<Shot>> {
    const BEGINS: [u8; 3] = [0xff, 0xd8, 0xff];
    let next = |from: usize| bytes[from..].windows(3).position(|part| part == BEGINS).map(|at| from + at);
    let Some(start) = next(0) else { return Ok(None) };
    let end = next(start + 3).unwrap_or(bytes.len());
    let rest = bytes.split_off(end);
    let picture = std::mem::replace(bytes, rest);
    let Picture { width, height, rgb } = Picture::decode(&picture[start..])?;
    Ok(Some(Shot::rgb(width, height, rgb)))
}
