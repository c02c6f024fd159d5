//! The functions expressions may call: CEL's own, its common extensions, and Kubernetes'.
//! <https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries>

mod lists;
mod macros;
mod names;
mod networks;
mod quantities;
mod text;
mod urls;

pub(super) use names::FUNCTIONS;

use super::budget;
use cel::common::types::CelString;
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError, extensions};

/// A type of values that Kubernetes adds: its name, and what stands behind it.
macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident($inner:ty), $cel_name:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub $inner);

        impl $name {
            /// The type as CEL knows it.
            pub const TYPE: ::cel::common::types::Type =
                ::cel::common::types::Type::new_unspecified_type($cel_name);
        }

        impl ::cel::common::value::Val for $name {
            fn get_type(&self) -> &::cel::common::types::Type {
                <Self as ::cel::common::value::Val>::cel_type()
            }

            fn cel_type() -> &'static ::cel::common::types::Type {
                static TYPE: ::cel::common::types::Type = $name::TYPE;
                &TYPE
            }

            fn equals(&self, other: &dyn ::cel::common::value::Val) -> bool {
                other.downcast_ref::<$name>().is_some_and(|other| other == self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn ::cel::common::value::Val + 'v>
            where
                Self: 'v,
            {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn ::std::any::Any> {
                Some(self)
            }
        }

        impl ::cel::common::value::StaticVal for $name {}
    };
}
use opaque;

/// Everything expressions may use.
pub(super) fn environment() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(extensions::math)?;
    env.add_extension(extensions::encoders)?;
    budget::extend(&mut env)?;
    for extend in [lists::extend, macros::extend, networks::extend, quantities::extend, text::extend, urls::extend] {
        extend(&mut env)?;
    }
    Ok(env)
}

/// An argument that an overload declared as text.
fn as_text<'a>(argument: &'a CowVal<'_, '_>) -> Result<&'a str, ExecutionError> {
    let found = argument.downcast_ref::<CelString>().map(|text| text.inner());
    found.ok_or_else(|| ExecutionError::function_error("string", "not a string"))
}

fn failed(function: &str, why: impl std::fmt::Display) -> ExecutionError {
    ExecutionError::function_error(function, why.to_string())
}
