//! Panics of tasks, which a runtime would keep to itself.

use std::cell::RefCell;
use std::sync::Once;

static HOOK: Once = Once::new();

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Begins to listen, and forgets what was heard on this thread.
pub(crate) fn forget() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let words = panic.payload_as_str().unwrap_or("without a word");
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            FIRST.with_borrow_mut(|first| {
                first.get_or_insert_with(|| format!("{words} ({place})"));
            });
            before(panic);
        }));
    });
    FIRST.set(None);
}

/// The first panic on this thread that nobody has taken.
pub(crate) fn take() -> Option<String> {
    FIRST.take()
}
