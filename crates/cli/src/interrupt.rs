//! Ctrl-C: the first stops a command in good order, the second ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether one came. While this is true, the next ends the program.
#[derive(Debug)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Until [`Interrupt::begin`] an interrupt ends the program.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new() -> io::Result<Self> {
        Self::of(&[SIGINT])
    }

    /// The same, and for what else asks a program to end: a closed terminal, a kill.
    ///
    /// # Errors
    /// Those of the system.
    pub fn or_end() -> io::Result<Self> {
        Self::of(&[SIGINT, SIGTERM, SIGHUP])
    }

    fn of(signals: &[i32]) -> io::Result<Self> {
        let came = Arc::new(AtomicBool::new(true));
        for signal in signals {
            // In this order: what ends the program must not see what this interrupt sets.
            flag::register_conditional_default(*signal, Arc::clone(&came))?;
            flag::register(*signal, Arc::clone(&came))?;
        }
        Ok(Self(came))
    }

    /// From now on the first interrupt is only noted.
    pub fn begin(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// From now on an interrupt ends the program, as at a question.
    pub fn ends_at_once(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether one came since [`Interrupt::begin`].
    #[must_use]
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
