//! The ways in which control hands a call over to the relay: whatever way, the same comes of it.

use super::setup::Setup;

/// One of the ways, as `control.transfer` names it.
pub type Form = &'static str;

/// Runs each test once for every form.
macro_rules! in_each_form {
    ($($name:ident),* $(,)?) => {
        in_each_form!(@ uri "uri" $($name)*);
        in_each_form!(@ message "message" $($name)*);
        in_each_form!(@ tunnel "tunnel" $($name)*);
    };
    (@ $form:ident $word:literal $($name:ident)*) => {
        mod $form {
            $(
                #[test]
                fn $name() {
                    super::$name($word);
                }
            )*
        }
    };
}

/// A centre whose control transfers calls so, to a relay in a process of its own: inside one, a link
/// cannot be captured.
pub fn setup(form: Form) -> Setup {
    Setup::default()
        .apart()
        .control(&format!("transfer = \"{form}\""))
}
