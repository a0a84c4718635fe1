//! What is seen, with what is said of it, as JPEGs one after the other.

use std::convert::Infallible;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use embedded_graphics::mono_font::MonoTextStyleBuilder;
use embedded_graphics::mono_font::ascii::FONT_10X20;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, RgbColor, Size};
use embedded_graphics::text::{Baseline, Text};
use image::codecs::jpeg::JpegEncoder;
use perennial::frame::{Frame, Preprocess, Resize, Scratch};
use perennial::{Error, ErrorKind, Result};

/// Writes JPEGs.
pub struct Overlay {
    out: Box<dyn Write>,
    scratch: Scratch,
    canvas: Canvas,
}

/// Pixels, `[height, width, 3]`.
#[derive(Default)]
struct Canvas {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let inside = |at: i32, side: u32| u32::try_from(at).ok().filter(|&at| at < side);
            if let (Some(x), Some(y)) = (inside(x, self.width), inside(y, self.height)) {
                let at = 3 * (y * self.width + x) as usize;
                self.rgb[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Overlay {
    /// To a file, or to standard output for `-`.
    pub fn new(path: &Path) -> Result<Self> {
        let out: Box<dyn Write> = match path == Path::new("-") {
            true => Box::new(std::io::stdout()),
            false => Box::new(BufWriter::new(File::create(path)?)),
        };
        Ok(Self { out, scratch: Scratch::new(), canvas: Canvas::default() })
    }

    /// One frame, what is said of it, and what else goes on.
    pub fn write(&mut self, frame: &Frame<'_>, said: &str, state: &str) -> Result<()> {
        let (width, height) = (frame.interest().width, frame.interest().height);
        let whole =
            Preprocess { resize: Resize::Exact { width, height }, crop: None, ..Preprocess::direct(1) };
        self.canvas = Canvas { width, height, rgb: vec![0; whole.output_len()?] };
        whole.write_rgb(frame, &mut self.scratch, &mut self.canvas.rgb)?;
        self.text(said, 6);
        self.text(state, height as i32 - 26);
        JpegEncoder::new_with_quality(&mut self.out, 85)
            .encode(&self.canvas.rgb, width, height, image::ExtendedColorType::Rgb8)
            .map_err(|e| Error::new(ErrorKind::Io, e.to_string()))?;
        Ok(self.out.flush()?)
    }

    fn text(&mut self, text: &str, y: i32) {
        let style = MonoTextStyleBuilder::new()
            .font(&FONT_10X20)
            .text_color(Rgb888::WHITE)
            .background_color(Rgb888::new(20, 20, 20))
            .build();
        let text = Text::with_baseline(text, Point::new(6, y), style, Baseline::Top);
        let Ok(_) = text.draw(&mut self.canvas);
    }
}
