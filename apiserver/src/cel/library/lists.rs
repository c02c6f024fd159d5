//! Kubernetes' functions of lists: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`.

use super::failed;
use cel::common::types::{CelBool, CelInt, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use std::cmp::Ordering;

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list.isSorted()", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list.sum()", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list.min()", LIST_TYPE, vec![], |list| extreme(list, "min", Ordering::Less))?;
    env.add_member_overload("max", "list.max()", LIST_TYPE, vec![], |list| extreme(list, "max", Ordering::Greater))?;
    env.add_member_overload("indexOf", "list.indexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], |arguments| {
        place(&arguments, |found| found.first().copied())
    })?;
    env.add_member_overload("lastIndexOf", "list.lastIndexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], |arguments| {
        place(&arguments, |found| found.last().copied())
    })
}

fn items<'a, 'v>(list: &'a CowVal<'_, 'v>) -> Vec<&'a (dyn Val + 'v)> {
    let mut all = Vec::new();
    if let Some(list) = list.as_iterable() {
        let mut iterator = list.iter();
        while let Some(item) = iterator.next() {
            all.push(item);
        }
    }
    all
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    let names = || vec![a.get_type().name().to_owned(), b.get_type().name().to_owned()];
    a.as_comparer().ok_or_else(|| ExecutionError::no_such_overload("_<_", names()))?.compare(b)
}

fn is_sorted<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    for pair in items(&arguments[0]).windows(2) {
        if compare(pair[0], pair[1])? == Ordering::Greater {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn sum<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut total: Option<Box<dyn Val + 'v>> = None;
    for item in items(&arguments[0]) {
        total = Some(match total {
            None => item.clone_as_boxed(),
            Some(total) => {
                let adder = total.as_adder().ok_or_else(|| ExecutionError::no_such_overload("sum", vec![]))?;
                adder.add(item)?.into_owned()
            }
        });
    }
    Ok(total.map_or_else(|| CowVal::owned(CelInt::from(0)), CowVal::Owned))
}

fn extreme<'b, 'v>(
    arguments: Vec<CowVal<'b, 'v>>,
    name: &str,
    wanted: Ordering,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let all = items(&arguments[0]);
    let Some((first, rest)) = all.split_first() else {
        return Err(failed(name, format!("{name} called on empty list")));
    };
    let mut best = *first;
    for item in rest {
        if compare(*item, best)? == wanted {
            best = *item;
        }
    }
    Ok(CowVal::Owned(best.clone_as_boxed()))
}

fn place<'b, 'v>(
    arguments: &[CowVal<'b, 'v>],
    choose: fn(&[usize]) -> Option<usize>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let all = items(&arguments[0]);
    let equal = all.iter().enumerate().filter(|(_, item)| item.equals(arguments[1].as_ref()));
    let found: Vec<usize> = equal.map(|(i, _)| i).collect();
    let place = choose(&found).and_then(|i| i64::try_from(i).ok()).unwrap_or(-1);
    Ok(CowVal::owned(CelInt::from(place)))
}
