//! A camera that learns what it is shown, and goes on answering every frame meanwhile.
//!
//! ```text
//! cargo run --release --example camera                                   drawn tools pass by, and are labelled for you
//! cargo run --release --example camera -- street.y4m --label 0-40=car --label 90-130=van --out seen.mjpeg
//! ffmpeg -f v4l2 -i /dev/video0 -pix_fmt yuv420p -f yuv4mpegpipe - | cargo run --release --example camera -- - --out - | ffplay -
//! gst-launch-1.0 -q v4l2src ! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink | cargo run --release --example camera -- -
//! ```
//!
//! A source is a Y4M file, a file of JPEGs one after the other (`.mjpeg`), or `-` for Y4M on standard input. In a terminal, a key from 1 to 9 says
//! that the last second showed thing 1 to 9; `l` learns what was labelled, and `q` ends. `--out` writes what is seen with what is said of it.

mod labels;
mod overlay;
mod source;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use labels::Order;
use ndarray::{Array4, Axis};
use overlay::Overlay;
use perennial::Result;
use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::background::{Background, Options, Ticket};
use perennial::frame::{Preprocess, Scratch};
use perennial::learner::{Labelled, Learner, Predictor, Settings};
use source::Source;

/// Passes over what was labelled.
const EPOCHS: usize = 3;

/// From one recorded or drawn frame to the next.
const PACE: Duration = Duration::from_millis(33);

/// Of the drawn tools: lessons, and frames that are asked about after them.
const LESSONS: u64 = 2;
const ASKED: usize = 160;

/// What was labelled and is not learned yet.
#[derive(Default)]
struct Examples {
    images: Vec<Array4<f32>>,
    names: Vec<String>,
}

/// A lesson in the background; what speaks against keeping it, where something does.
type Lesson = Ticket<Result<Option<String>>>;

struct Camera {
    preprocess: Preprocess,
    scratch: Scratch,
    background: Background,
    predictor: Predictor,
    examples: Examples,
    lesson: Option<Lesson>,
    lessons: usize,
    answers: usize,
    beside: usize,
    right: [usize; 2],
}

impl Camera {
    fn new(model: &Path) -> Result<Self> {
        let backbone = Backbone::read(model)?;
        let side = backbone.image()?[2] as u32;
        let lora = Lora { blocks: Blocks::Last(2), ..Lora::default() };
        let settings = Settings { lora, random_features: 500, ..Settings::default() };
        let learner = Learner::builder(backbone).settings(settings).build()?;
        let background = Background::new(learner, Options { nice: Some(10), ..Options::default() })?;
        let (predictor, preprocess) = (background.predictor(), Preprocess::direct(side));
        Ok(Self {
            preprocess,
            scratch: Scratch::new(),
            background,
            predictor,
            examples: Examples::default(),
            lesson: None,
            lessons: 0,
            answers: 0,
            beside: 0,
            right: [0; 2],
        })
    }

    /// Its name, or nothing before anything was learned.
    fn answer(&mut self, image: &Array4<f32>) -> Result<Option<String>> {
        if self.predictor.commits() == 0 {
            return Ok(None);
        }
        self.answers += 1;
        self.beside += usize::from(self.lesson.is_some());
        let answer = self.predictor.predict(image.view())?.swap_remove(0);
        Ok(Some(if answer.unknown { "unknown".into() } else { answer.name }))
    }

    /// Learns what was labelled, in the background.
    fn learn(&mut self) -> Result<()> {
        let Examples { images, names } = std::mem::take(&mut self.examples);
        self.lessons += 1;
        let (task, count) = (format!("lesson {}", self.lessons), names.len());
        eprintln!("{task}: {count} frames");
        self.lesson = Some(self.background.submit(move |learner| {
            let views: Vec<_> = images.iter().map(Array4::view).collect();
            let images = ndarray::concatenate(Axis(0), &views)
                .map_err(|e| perennial::Error::new(perennial::ErrorKind::Bug, e.to_string()))?;
            let (images, batch) = (images.view(), learner.settings().batch);
            learner.learn(&task, EPOCHS, Labelled::batches(&images, &names, batch), |_, _| {})?;
            learner.settle()
        })?);
        Ok(())
    }

    /// Says what came of a lesson that has ended.
    fn look_after_lesson(&mut self) -> Result<()> {
        let Some(lesson) = &self.lesson else { return Ok(()) };
        if let Some(ended) = lesson.ready()? {
            self.lesson = None;
            tell(ended);
        }
        Ok(())
    }

    fn state(&self) -> String {
        match &self.lesson {
            Some(_) => format!("learning {}", self.lessons),
            None if self.examples.names.is_empty() => String::new(),
            None => format!("{} labelled", self.examples.names.len()),
        }
    }
}

fn tell(ended: Result<Option<String>>) {
    match ended {
        Ok(None) => eprintln!("learned"),
        Ok(Some(why)) => eprintln!("not kept: {why}"),
        Err(e) => eprintln!("not learned: {e}"),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (source, mut labels, out) = labels::arguments(std::env::args().skip(1))?;
    let mut source = Source::open(source.as_deref())?;
    let mut camera = Camera::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/perennial-tiny.onnx"))?;
    let mut overlay = out.map(|path| Overlay::new(&path)).transpose()?;
    let (mut frames, mut slowest) = (0, 0.0f64);
    while let Some(shot) = source.next()? {
        let began = Instant::now();
        let frame = shot.frame()?;
        let (width, height) = camera.preprocess.output_size()?;
        let mut image = Array4::zeros((1, 3, height as usize, width as usize));
        let pixels = image.as_slice_mut().expect("a new array has no gaps");
        camera.preprocess.write(&frame, &mut camera.scratch, pixels)?;
        let said = camera.answer(&image)?;
        slowest = slowest.max(1e3 * began.elapsed().as_secs_f64());
        if let (Some(said), Some(shows), LESSONS..) = (&said, source.shows(), camera.predictor.commits()) {
            camera.right[0] += usize::from(*said == shows);
            camera.right[1] += 1;
        }
        match labels.of(frames, &image, &source) {
            Order::Nothing => {}
            Order::Label(images, name) => {
                camera.examples.names.extend(images.iter().map(|_| name.clone()));
                camera.examples.images.extend(images);
            }
            Order::Learn if camera.lesson.is_none() && !camera.examples.names.is_empty() => camera.learn()?,
            Order::Learn => {}
            Order::End => break,
        }
        camera.look_after_lesson()?;
        if let Some(overlay) = &mut overlay {
            overlay.write(&frame, said.as_deref().unwrap_or("nothing known yet"), &camera.state())?;
        }
        frames += 1;
        if !source.is_live() {
            std::thread::sleep(PACE.saturating_sub(began.elapsed()));
        }
        if camera.right[1] == ASKED {
            break;
        }
    }
    if let Some(lesson) = camera.lesson.take() {
        tell(lesson.wait()?);
    }
    eprintln!(
        "{frames} frames, {} answered, {} of them while it learned, the slowest in {slowest:.0} ms",
        camera.answers, camera.beside
    );
    let [right, asked] = camera.right;
    if asked > 0 {
        eprintln!("{right} of {asked} named rightly");
        if 5 * right < 4 * asked {
            return Err(perennial::Error::new(
                perennial::ErrorKind::Bug,
                "fewer than four of five are right",
            ));
        }
    }
    Ok(())
}
