//! When a push that failed is tried again.

use std::time::Duration;

/// Retries in four phases: some at once, some after the shortest delay, some after delays that grow
/// from the shortest to the longest, and some after the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySchedule {
    pub immediate: u32,
    pub pre_backoff: u32,
    pub backoff: u32,
    pub post_backoff: u32,
    pub delay_min: Duration,
    pub delay_max: Duration,
    pub growth: Growth,
}

/// How delays grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// By the same time each time.
    #[default]
    Linear,
    /// By a time that grows by the same time.
    Arithmetic,
    /// By the same factor each time.
    Geometric,
    /// By a time that doubles.
    Exponential,
}

impl Default for RetrySchedule {
    /// Three retries, 20 s apart.
    fn default() -> Self {
        let delay = Duration::from_secs(20);
        Self {
            immediate: 0,
            pre_backoff: 0,
            backoff: 3,
            post_backoff: 0,
            delay_min: delay,
            delay_max: delay,
            growth: Growth::Linear,
        }
    }
}

impl RetrySchedule {
    /// How often a push is tried at most.
    #[must_use]
    pub fn attempts_max(&self) -> u32 {
        [self.immediate, self.pre_backoff, self.backoff, self.post_backoff].into_iter().fold(1, u32::saturating_add)
    }

    /// How long all retries together wait.
    #[must_use]
    pub fn delays(&self) -> Duration {
        (1..).map_while(|attempts| self.delay_after(attempts)).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How long to wait after so many attempts; `None` if there are no more.
    #[must_use]
    pub fn delay_after(&self, attempts: u32) -> Option<Duration> {
        let retry = attempts.max(1);
        if retry >= self.attempts_max() {
            return None;
        }
        let Some(retry) = retry.checked_sub(self.immediate).filter(|retry| *retry > 0) else {
            return Some(Duration::ZERO);
        };
        let Some(step) = retry.checked_sub(self.pre_backoff).filter(|step| *step > 0) else {
            return Some(self.delay_min);
        };
        Some(if step > self.backoff { self.delay_max } else { self.grown(step) })
    }

    /// The delay of one of the retries that back off, from 1: the last waits longest.
    fn grown(&self, step: u32) -> Duration {
        let (step, steps) = (f64::from(step), f64::from(self.backoff));
        let (min, max) = (self.delay_min.as_secs_f64(), self.delay_max.max(self.delay_min).as_secs_f64());
        let between = |share: f64| min + (max - min) * share;
        let delay = match self.growth {
            Growth::Linear => between(step / steps),
            Growth::Arithmetic => between(step * (step + 1.0) / (steps * (steps + 1.0))),
            // From nothing no factor leads anywhere: a millisecond is the least.
            Growth::Geometric => min.max(0.001) * (max.max(0.001) / min.max(0.001)).powf(step / steps),
            // (2^step - 1) / (2^steps - 1), written so that many steps do not overflow.
            Growth::Exponential => {
                let nothing = (-steps).exp2();
                between(((step - steps).exp2() - nothing) / (1.0 - nothing))
            }
        };
        Duration::from_secs_f64(delay.clamp(min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn delays(schedule: &RetrySchedule) -> Vec<u128> {
        (1..).map_while(|attempts| schedule.delay_after(attempts)).map(|delay| delay.as_millis()).collect()
    }

    #[test]
    fn default_tries_three_times_more_every_twenty_seconds() {
        assert_eq!(delays(&RetrySchedule::default()), [20_000; 3]);
        assert_eq!(RetrySchedule::default().attempts_max(), 4);
    }

    #[test]
    fn phases_follow_each_other() {
        let schedule = RetrySchedule {
            immediate: 2,
            pre_backoff: 1,
            backoff: 4,
            post_backoff: 2,
            delay_min: SECOND,
            delay_max: 9 * SECOND,
            growth: Growth::Linear,
        };
        assert_eq!(delays(&schedule), [0, 0, 1_000, 3_000, 5_000, 7_000, 9_000, 9_000, 9_000]);
        assert_eq!(schedule.delays(), 43 * SECOND);
        let none = RetrySchedule { immediate: 0, pre_backoff: 0, backoff: 0, post_backoff: 0, ..schedule };
        assert_eq!((delays(&none), none.attempts_max()), (vec![], 1));
    }

    #[test]
    fn delays_grow_from_the_least_to_the_most() {
        let grown = |growth| {
            let plain =
                RetrySchedule { backoff: 4, delay_min: SECOND, delay_max: 16 * SECOND, ..RetrySchedule::default() };
            delays(&RetrySchedule { growth, ..plain })
        };
        assert_eq!(grown(Growth::Linear), [4_750, 8_500, 12_250, 16_000]);
        assert_eq!(grown(Growth::Arithmetic), [2_500, 5_500, 10_000, 16_000]);
        assert_eq!(grown(Growth::Geometric), [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(grown(Growth::Exponential), [2_000, 4_000, 8_000, 16_000]);
    }

    #[test]
    fn any_schedule_stays_within_its_bounds() {
        for growth in [Growth::Linear, Growth::Arithmetic, Growth::Geometric, Growth::Exponential] {
            for (backoff, min, max) in [(1, 0, 0), (1, 0, 3_600), (100, 1, 1), (4_000_000_000, 0, 3_600), (7, 5, 2)] {
                let (delay_min, delay_max) = (min * SECOND, max * SECOND);
                let schedule = RetrySchedule { backoff, delay_min, delay_max, growth, ..RetrySchedule::default() };
                for attempts in [0, 1, 2, backoff / 2, backoff - 1, backoff].into_iter().filter(|at| *at < backoff + 1)
                {
                    let delay = schedule.delay_after(attempts).unwrap();
                    assert!(delay >= delay_min && delay <= delay_max.max(delay_min), "{schedule:?} {attempts}");
                }
            }
        }
    }
}
