//! `quantity`: amounts such as `100m` and `1.5Gi`.

use super::{failed, opaque};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError};
use kubus_proto::quantity::Quantity as Amount;
use std::cmp::Ordering;

opaque!(
    /// An amount.
    Quantity(Amount), "kubernetes.Quantity"
);

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(Quantity::TYPE)?;
    cel::add_overload!(env, fn quantity: (CelString) -> Result<Quantity>)?;
    cel::add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_integer: (Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn as_integer: (Quantity) -> Result<CelInt>)?;
    cel::add_member_overload!(env, fn as_approximate_float: (Quantity) -> CelDouble)?;
    cel::add_member_overload!(env, fn sign: (Quantity) -> CelInt)?;
    cel::add_member_overload!(env, fn add: (Quantity, Quantity) -> Quantity)?;
    cel::add_member_overload!(env, fn add_number: (Quantity, CelInt) -> Quantity, name = "add")?;
    cel::add_member_overload!(env, fn sub: (Quantity, Quantity) -> Quantity)?;
    cel::add_member_overload!(env, fn sub_number: (Quantity, CelInt) -> Quantity, name = "sub")?;
    cel::add_member_overload!(env, fn is_less_than: (Quantity, Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn is_greater_than: (Quantity, Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn compare_to: (Quantity, Quantity) -> CelInt)
}

const MILLI: f64 = 1_000.0;

fn order(a: &Quantity, b: &Quantity) -> Ordering {
    a.0.milli_value().cmp(&b.0.milli_value())
}

fn quantity(text: &CelString<'_>) -> Result<Quantity, ExecutionError> {
    Amount::parse(text.inner()).map(Quantity).map_err(|error| failed("quantity", error))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    CelBool::from(Amount::parse(text.inner()).is_ok())
}

fn is_integer(quantity: &Quantity) -> CelBool {
    CelBool::from(quantity.0.is_whole())
}

fn as_integer(quantity: &Quantity) -> Result<CelInt, ExecutionError> {
    if quantity.0.is_whole() {
        return Ok(CelInt::from(quantity.0.value()));
    }
    Err(failed("asInteger", "cannot convert value to integer"))
}

fn as_approximate_float(quantity: &Quantity) -> CelDouble {
    CelDouble::from(quantity.0.milli_value() as f64 / MILLI)
}

fn sign(quantity: &Quantity) -> CelInt {
    CelInt::from(quantity.0.milli_value().signum())
}

fn of_milli(milli: i64) -> Quantity {
    Quantity(Amount::from_milli(milli))
}

fn add(a: &Quantity, b: &Quantity) -> Quantity {
    of_milli(a.0.milli_value().saturating_add(b.0.milli_value()))
}

fn add_number(a: &Quantity, b: &CelInt) -> Quantity {
    of_milli(a.0.milli_value().saturating_add(b.inner().saturating_mul(MILLI as i64)))
}

fn sub(a: &Quantity, b: &Quantity) -> Quantity {
    of_milli(a.0.milli_value().saturating_sub(b.0.milli_value()))
}

fn sub_number(a: &Quantity, b: &CelInt) -> Quantity {
    of_milli(a.0.milli_value().saturating_sub(b.inner().saturating_mul(MILLI as i64)))
}

fn is_less_than(a: &Quantity, b: &Quantity) -> CelBool {
    CelBool::from(order(a, b) == Ordering::Less)
}

fn is_greater_than(a: &Quantity, b: &Quantity) -> CelBool {
    CelBool::from(order(a, b) == Ordering::Greater)
}

fn compare_to(a: &Quantity, b: &Quantity) -> CelInt {
    CelInt::from(order(a, b) as i64)
}
