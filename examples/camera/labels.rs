//! Who says what is seen: a key, the command line, or, for drawn frames, the hand that drew them.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use console::{Key, Term};
use ndarray::Array4;
use perennial::{Error, ErrorKind, Result};

use crate::source::Source;

/// Frames that a key labels: the last second.
const HELD: usize = 15;

/// What is to be done with a frame.
pub enum Order {
    Nothing,
    Label(Vec<Array4<f32>>, String),
    Learn,
    End,
}

/// Labels from all three.
pub struct Labels {
    spans: Vec<(Range<usize>, String)>,
    keys: Option<Receiver<char>>,
    recent: VecDeque<Array4<f32>>,
}

/// The source, labels and where pictures go, from the command line.
pub fn arguments(
    mut given: impl Iterator<Item = String>,
) -> Result<(Option<String>, Labels, Option<PathBuf>)> {
    let (mut source, mut spans, mut out) = (None, Vec::new(), None);
    while let Some(argument) = given.next() {
        let mut value =
            || given.next().ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "a value is missing"));
        match argument.as_str() {
            "--label" => spans.push(span(&value()?)?),
            "--out" => out = Some(PathBuf::from(value()?)),
            name if name == "-" || !name.starts_with('-') => source = Some(argument),
            other => {
                let text = format!("{other}: [SOURCE] [--label FROM-TO=NAME].. [--out FILE]");
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
        }
    }
    let keys = (source.is_some() && spans.is_empty()).then(keys).flatten();
    let labels = Labels { spans, keys, recent: VecDeque::new() };
    Ok((source, labels, out))
}

/// `FROM-TO=NAME`.
fn span(text: &str) -> Result<(Range<usize>, String)> {
    let parsed = text.split_once('=').and_then(|(span, name)| {
        let (from, to) = span.split_once('-')?;
        Some((from.parse().ok()?..to.parse().ok()?, name.to_string()))
    });
    parsed.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("{text:?}: write FROM-TO=NAME")))
}

/// Keys as they are pressed, where there is a terminal.
fn keys() -> Option<Receiver<char>> {
    let term = Term::stderr();
    if !term.is_term() {
        return None;
    }
    eprintln!("1 to 9 label the last second, l learns, q ends");
    let (give, keys) = channel();
    std::thread::spawn(move || {
        while let Ok(key) = term.read_key() {
            if let Key::Char(key) = key
                && give.send(key).is_err()
            {
                return;
            }
        }
    });
    Some(keys)
}

impl Labels {
    /// What is to be done with frame `n`, which is `image` to the network.
    pub fn of(&mut self, n: usize, image: &Array4<f32>, source: &Source) -> Order {
        let span = self.spans.iter().find(|(span, _)| span.contains(&n));
        if let Some(name) = source.named().or(span.map(|(_, name)| name.clone())) {
            return Order::Label(vec![image.clone()], name);
        }
        if self.keys.is_none() {
            // Nobody will say when.
            return Order::Learn;
        }
        self.recent.push_back(image.clone());
        if self.recent.len() > HELD {
            self.recent.pop_front();
        }
        match self.keys.as_ref().and_then(|keys| keys.try_recv().ok()) {
            Some(digit @ '1'..='9') => {
                Order::Label(self.recent.drain(..).collect(), format!("thing {digit}"))
            }
            Some('l') => Order::Learn,
            Some('q') => Order::End,
            _ => Order::Nothing,
        }
    }
}
