//! `cel.bind` and the loops over two variables.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators};
use cel::common::types::{CelInt, CelList, DYN_TYPE, MAP_TYPE};
use cel::common::value::{CowVal, Val};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{DeclarationError, Env, ExecutionError};

/// Name of what a loop collects, as CEL's own macros have it.
const RESULT: &str = "@result";
/// Name of the pair a loop over two variables is at.
const PAIR: &str = "@pair";
const PAIRS: &str = "@pairs";

pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_macro(Macro::receiver("bind", 3, bind))?;
    env.add_overload(PAIRS, "@pairs(dyn)", vec![DYN_TYPE], pairs)?;
    env.add_macro(Macro::receiver("all", 3, |helper, target, arguments| {
        over_two(helper, target, arguments, |helper, inner| Loop::quantified(helper, inner, true))
    }))?;
    env.add_macro(Macro::receiver("exists", 3, |helper, target, arguments| {
        over_two(helper, target, arguments, |helper, inner| Loop::quantified(helper, inner, false))
    }))?;
    for arguments in [3, 4] {
        env.add_macro(Macro::receiver("transformList", arguments, |helper, target, arguments| {
            over_two(helper, target, arguments, Loop::collected)
        }))?;
    }
    Ok(())
}

fn literal(helper: &mut MacroExprHelper<'_>, value: bool) -> IdedExpr {
    helper.next_expr(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn list(helper: &mut MacroExprHelper<'_>, elements: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::List(ListExpr::new(elements)))
}

fn call(helper: &mut MacroExprHelper<'_>, name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    helper.next_expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn result(helper: &mut MacroExprHelper<'_>) -> IdedExpr {
    helper.next_expr(Expr::Ident(RESULT.to_owned()))
}

/// The variable an argument names.
fn variable(helper: &MacroExprHelper<'_>, argument: &IdedExpr) -> Result<String, ParseError> {
    match &argument.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(helper.new_error(argument.id, "argument must be a simple name")),
    }
}

/// `cel.bind(name, value, expression)`: a loop over nothing, whose result is the expression.
fn bind(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    if !matches!(target.as_ref().map(|target| &target.expr), Some(Expr::Ident(name)) if name == "cel") {
        return Ok(None);
    }
    let name = variable(helper, &arguments[0])?;
    let result = arguments.pop().unwrap_or_default();
    let value = arguments.pop().unwrap_or_default();
    Ok(Some(bound(helper, &name, value, result)))
}

/// What a loop does at each turn.
struct Loop {
    start: IdedExpr,
    condition: IdedExpr,
    step: IdedExpr,
}

impl Loop {
    fn quantified(helper: &mut MacroExprHelper<'_>, mut inner: Vec<IdedExpr>, all: bool) -> Self {
        let predicate = inner.pop().unwrap_or_default();
        let operator = if all { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
        let so_far = result(helper);
        let going = if all { so_far } else { call(helper, operators::LOGICAL_NOT, vec![so_far]) };
        let condition = call(helper, operators::NOT_STRICTLY_FALSE, vec![going]);
        let before = result(helper);
        let step = call(helper, operator, vec![before, predicate]);
        Self { start: literal(helper, all), condition, step }
    }

    /// Collects the last of `inner`, where the one before it, if there is one, holds.
    fn collected(helper: &mut MacroExprHelper<'_>, mut inner: Vec<IdedExpr>) -> Self {
        let item = inner.pop().unwrap_or_default();
        let (before, item) = (result(helper), list(helper, vec![item]));
        let longer = call(helper, operators::ADD, vec![before, item]);
        let step = match inner.pop() {
            Some(filter) => {
                let otherwise = result(helper);
                call(helper, operators::CONDITIONAL, vec![filter, longer, otherwise])
            }
            None => longer,
        };
        Self { start: list(helper, Vec::new()), condition: literal(helper, true), step }
    }
}

/// `expression` with a name for a value.
fn bound(helper: &mut MacroExprHelper<'_>, name: &str, value: IdedExpr, expression: IdedExpr) -> IdedExpr {
    let bound = ComprehensionExpr {
        iter_range: list(helper, Vec::new()),
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        accu_var: name.to_owned(),
        accu_init: value,
        loop_cond: literal(helper, false),
        loop_step: helper.next_expr(Expr::Ident(name.to_owned())),
        result: expression,
    };
    helper.next_expr(Expr::Comprehension(Box::new(bound)))
}

/// A loop over keys and values of a map, or indices and items of a list: over pairs, which are taken apart by name.
fn over_two(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    arguments: &mut Vec<IdedExpr>,
    make: impl FnOnce(&mut MacroExprHelper<'_>, Vec<IdedExpr>) -> Loop,
) -> Result<Option<IdedExpr>, ParseError> {
    let names = [variable(helper, &arguments[0])?, variable(helper, &arguments[1])?];
    let mut inner = Vec::new();
    for expression in arguments.drain(2..) {
        let mut expression = expression;
        for (i, name) in [(1i64, &names[1]), (0, &names[0])] {
            let pair = helper.next_expr(Expr::Ident(PAIR.to_owned()));
            let index = helper.next_expr(Expr::Literal(LiteralValue::Int(i.into())));
            let value = call(helper, operators::INDEX, vec![pair, index]);
            expression = bound(helper, name, value, expression);
        }
        inner.push(expression);
    }
    let range = target.take().unwrap_or_default();
    let Loop { start, condition, step } = make(helper, inner);
    let over = ComprehensionExpr {
        iter_range: call(helper, PAIRS, vec![range]),
        iter_var: PAIR.to_owned(),
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: start,
        loop_cond: condition,
        loop_step: step,
        result: result(helper),
    };
    Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(over)))))
}

/// Keys and values of a map, indices and items of a list, as pairs.
fn pairs<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let holder = &arguments[0];
    let iterable = holder.as_iterable().ok_or_else(|| ExecutionError::no_such_overload(PAIRS, vec![]))?;
    let mut found: Vec<Box<dyn Val + 'v>> = Vec::new();
    let mut items = iterable.iter();
    let is_map = holder.get_type() == &MAP_TYPE;
    let mut index = 0;
    while let Some(item) = items.next() {
        let pair: Vec<Box<dyn Val + 'v>> = if is_map {
            let indexer = holder.as_indexer().ok_or_else(|| ExecutionError::no_such_overload(PAIRS, vec![]))?;
            vec![item.clone_as_boxed(), indexer.get(item)?.into_owned()]
        } else {
            vec![Box::new(CelInt::from(index)), item.clone_as_boxed()]
        };
        index += 1;
        found.push(Box::new(CelList::from(pair)));
    }
    Ok(CowVal::owned(CelList::from(found)))
}
