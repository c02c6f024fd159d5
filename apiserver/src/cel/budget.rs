//! What an evaluation may cost. Expressions end by themselves, but `a.map(x, a.map(y, …))` can take ages and `s + s`,
//! repeated, all memory; so loops and whatever makes large values are charged for before they are carried out.

use super::EvaluationError;
use cel::ExecutionError;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelInt, CelString, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env};
use std::cell::Cell;

/// Most units one expression may cost: a unit is about one step of an evaluation, or ten bytes copied.
pub const EXPRESSION_LIMIT: u64 = 1_000_000;
/// Most units all expressions of one definition or policy may cost for one request.
pub const REQUEST_LIMIT: u64 = 10_000_000;
/// Bytes of text that cost one unit.
const BYTES_A_UNIT: u64 = 10;
/// What is said when a limit is reached, as Kubernetes says it.
pub const EXCEEDED: &str = "operation cancelled: actual cost limit exceeded";

const RANGE: &str = "@range";
const ADD: &str = "@add";
const REPLACE: &str = "@replace";
const JOIN: &str = "@join";

thread_local! {
    /// Units left for the evaluation that runs on this thread.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// What is left for the expressions of one request.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Default for Budget {
    fn default() -> Self {
        Self(REQUEST_LIMIT)
    }
}

impl Budget {
    /// Runs one evaluation, which stops when it has cost too much.
    pub(super) fn spend<T>(
        &mut self,
        size: u64,
        evaluation: impl FnOnce() -> Result<T, ExecutionError>,
    ) -> Result<T, EvaluationError> {
        let allowed = self.0.min(EXPRESSION_LIMIT);
        LEFT.set(allowed);
        let result = charge(size).and_then(|()| evaluation());
        let left = LEFT.replace(0);
        self.0 -= allowed - left;
        result.map_err(EvaluationError::from)
    }
}

fn charge(units: u64) -> Result<(), ExecutionError> {
    match LEFT.get().checked_sub(units) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => {
            LEFT.set(0);
            Err(ExecutionError::InternalError(EXCEEDED.to_owned()))
        }
    }
}

/// Bytes of a text, or ten for each element of a list or map.
fn weight(value: &dyn Val) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return text.inner().len() as u64;
    }
    let size = value.as_sizer().map(|sizer| *sizer.size().inner());
    u64::try_from(size.unwrap_or(0)).unwrap_or(0).saturating_mul(BYTES_A_UNIT)
}

/// Adds what [`charged`] expressions call to an environment.
pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(RANGE, "@range(dyn,int)", vec![DYN_TYPE, INT_TYPE], range)?;
    env.add_overload(ADD, "@add(dyn,dyn)", vec![DYN_TYPE, DYN_TYPE], add)?;
    let texts = vec![STRING_TYPE, STRING_TYPE, STRING_TYPE];
    env.add_overload(REPLACE, "@replace(string,string,string)", texts, replace)?;
    let limited = vec![STRING_TYPE, STRING_TYPE, STRING_TYPE, INT_TYPE];
    env.add_overload(REPLACE, "@replace(string,string,string,int)", limited, replace)?;
    env.add_overload(JOIN, "@join(list)", vec![LIST_TYPE], join)?;
    env.add_overload(JOIN, "@join(list,string)", vec![LIST_TYPE, STRING_TYPE], join)
}

/// Nodes of an expression, with every loop and everything that makes large values charged for.
pub(super) fn charged(expression: &mut IdedExpr) -> u64 {
    let inner: u64 = match &mut expression.expr {
        Expr::Call(call) => {
            let target = call.target.as_deref_mut().map_or(0, charged);
            let arguments: u64 = call.args.iter_mut().map(charged).sum();
            replace_call(call);
            target + arguments
        }
        Expr::Comprehension(loops) => {
            let outside = charged(&mut loops.iter_range) + charged(&mut loops.accu_init) + charged(&mut loops.result);
            let inside = charged(&mut loops.loop_cond) + charged(&mut loops.loop_step);
            let range = std::mem::take(&mut loops.iter_range);
            let id = range.id;
            let weight = IdedExpr { id, expr: Expr::Literal(LiteralValue::Int(CelInt::from(inside as i64))) };
            let call = CallExpr { func_name: RANGE.to_owned(), target: None, args: vec![range, weight] };
            loops.iter_range = IdedExpr { id, expr: Expr::Call(call) };
            outside + inside
        }
        Expr::List(list) => list.elements.iter_mut().map(charged).sum(),
        Expr::Map(map) => map.entries.iter_mut().map(entry).sum(),
        Expr::Struct(made) => made.entries.iter_mut().map(entry).sum(),
        Expr::Select(select) => charged(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => 0,
    };
    inner + 1
}

fn entry(entry: &mut cel::common::ast::IdedEntryExpr) -> u64 {
    use cel::common::ast::EntryExpr;
    match &mut entry.expr {
        EntryExpr::StructField(field) => charged(&mut field.value),
        EntryExpr::MapEntry(entry) => charged(&mut entry.key) + charged(&mut entry.value),
    }
}

fn replace_call(call: &mut CallExpr) {
    let charged = match (call.func_name.as_str(), call.args.len(), call.target.is_some()) {
        (operators::ADD, 2, false) => {
            // `accumulator + [item]` is how loops collect: paid for with the loop, and quick only as it stands.
            let collects = matches!((&call.args[0].expr, &call.args[1].expr), (Expr::Ident(name), Expr::List(_)) if name.starts_with('@'));
            if collects {
                return;
            }
            ADD
        }
        ("replace", 2 | 3, true) => REPLACE,
        ("join", 0 | 1, true) => JOIN,
        _ => return,
    };
    call.func_name = charged.to_owned();
    if let Some(target) = call.target.take() {
        call.args.insert(0, *target);
    }
}

/// The list or map a loop runs over, paid for: each turn costs as many units as the loop has nodes.
fn range<'b, 'v>(mut arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let size = arguments[0].as_sizer().map_or(1, |sizer| *sizer.size().inner());
    let weight = arguments[1].downcast_ref::<CelInt>().map_or(1, |weight| *weight.inner());
    let product = u64::try_from(size).unwrap_or(0).saturating_mul(u64::try_from(weight).unwrap_or(1));
    charge(product)?;
    Ok(arguments.swap_remove(0))
}

fn add<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [left, right] = <[CowVal<'b, 'v>; 2]>::try_from(arguments)
        .map_err(|all| ExecutionError::invalid_argument_count(2, all.len()))?;
    charge((weight(left.as_ref()) + weight(right.as_ref())) / BYTES_A_UNIT)?;
    let names = || vec![left.get_type().name().to_owned(), right.get_type().name().to_owned()];
    let adder = left.as_adder().ok_or_else(|| ExecutionError::no_such_overload("_+_", names()))?;
    let sum = adder.add(right.as_ref()).map_err(|error| match error {
        ExecutionError::UnsupportedBinaryOperator(..) | ExecutionError::UnexpectedType { .. } => {
            ExecutionError::no_such_overload("_+_", names())
        }
        other => other,
    })?;
    Ok(CowVal::Owned(sum.into_owned()))
}

fn text<'a>(value: &'a CowVal<'_, '_>) -> &'a str {
    value.downcast_ref::<CelString>().map_or("", |text| text.inner())
}

fn replace<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (source, old, new) = (text(&arguments[0]), text(&arguments[1]), text(&arguments[2]));
    let limit = arguments.get(3).and_then(|limit| limit.downcast_ref::<CelInt>()).map(|limit| *limit.inner());
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let places = if old.is_empty() { source.chars().count() + 1 } else { source.matches(old).count() }.min(limit);
    charge((source.len() as u64 + (places as u64).saturating_mul(new.len() as u64)) / BYTES_A_UNIT)?;
    Ok(CowVal::owned(CelString::from(source.replacen(old, new, limit))))
}

fn join<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let separator = arguments.get(1).map_or("", text);
    let mut parts = Vec::new();
    let mut total = 0u64;
    let list = arguments[0].as_iterable().ok_or_else(|| ExecutionError::function_error("join", "not a list"))?;
    let mut items = list.iter();
    while let Some(item) = items.next() {
        let part = item.downcast_ref::<CelString>();
        let part = part.ok_or_else(|| ExecutionError::no_such_overload("join", vec!["list".to_owned()]))?;
        total += (part.inner().len() + separator.len()) as u64;
        parts.push(part.inner().to_owned());
    }
    charge(total / BYTES_A_UNIT)?;
    Ok(CowVal::owned(CelString::from(parts.join(separator))))
}
