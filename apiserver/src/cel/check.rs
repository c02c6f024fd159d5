//! What can be said of an expression before it runs: names that nobody declared, fields that a schema does not have,
//! operators between types that never fit. Whatever it cannot tell is taken for good.

use super::CompileError;
use super::library::FUNCTIONS;
use super::value::escape;
use crate::custom::schema::{Additional, Structural, Type};
use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

/// What kind of value an expression gives, as far as is known.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Kind<'s> {
    /// Nobody knows.
    Dyn,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Null,
    Time,
    Duration,
    List(Box<Kind<'s>>),
    /// With text for keys.
    Map(Box<Kind<'s>>),
    /// An object of a shape; whether it is whole, with metadata.
    Object(&'s Structural, bool),
    /// There or not.
    Optional(Box<Kind<'s>>),
}

impl<'s> Kind<'s> {
    /// The kind of values of a shape; `whole` where it has apiVersion, kind and metadata.
    pub fn of(shape: &'s Structural, whole: bool) -> Self {
        if shape.int_or_string || shape.nullable {
            return Kind::Dyn;
        }
        match (shape.kind, shape.constraints.format.as_str()) {
            (Some(Type::Boolean), _) => Kind::Bool,
            (Some(Type::Integer), _) => Kind::Int,
            (Some(Type::Number), _) => Kind::Double,
            (Some(Type::String), "byte") => Kind::Bytes,
            (Some(Type::String), "date" | "date-time" | "datetime") => Kind::Time,
            (Some(Type::String), "duration") => Kind::Duration,
            (Some(Type::String), _) => Kind::Text,
            (Some(Type::Array), _) => {
                Kind::List(Box::new(shape.items.as_deref().map_or(Kind::Dyn, |items| Kind::of(items, false))))
            }
            (Some(Type::Object), _) => match &shape.additional {
                Some(Additional::Schema(inner)) => Kind::Map(Box::new(Kind::of(inner, false))),
                Some(Additional::Any) => Kind::Dyn,
                None => Kind::Object(shape, whole || shape.embedded),
            },
            (None, _) => Kind::Dyn,
        }
    }

    fn name(&self) -> String {
        match self {
            Kind::Dyn => "dyn".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Int => "int".to_owned(),
            Kind::Double => "double".to_owned(),
            Kind::Text => "string".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::Null => "null".to_owned(),
            Kind::Time => "timestamp".to_owned(),
            Kind::Duration => "duration".to_owned(),
            Kind::List(inner) => format!("list({})", inner.name()),
            Kind::Map(inner) => format!("map(string, {})", inner.name()),
            Kind::Object(..) => "object".to_owned(),
            Kind::Optional(inner) => format!("optional_type({})", inner.name()),
        }
    }

    fn is_plain(&self) -> bool {
        matches!(self, Kind::Bool | Kind::Int | Kind::Double | Kind::Text | Kind::Bytes | Kind::Time | Kind::Duration)
    }

    fn is_number(&self) -> bool {
        matches!(self, Kind::Int | Kind::Double)
    }

    fn element(&self) -> Kind<'s> {
        match self {
            Kind::List(inner) => (**inner).clone(),
            Kind::Map(_) => Kind::Text,
            _ => Kind::Dyn,
        }
    }
}

/// How deep an expression nests.
pub(super) fn depth(expression: &IdedExpr) -> usize {
    let mut deepest = 0;
    children(expression, &mut |child| deepest = deepest.max(depth(child)));
    deepest + 1
}

/// Fields that an expression selects directly of a variable.
pub(super) fn selections(expression: &IdedExpr, holder: &str, found: &mut Vec<String>) {
    if let Expr::Select(select) = &expression.expr
        && matches!(&select.operand.expr, Expr::Ident(name) if name == holder)
    {
        found.push(select.field.clone());
    }
    children(expression, &mut |child| selections(child, holder, found));
}

fn children<'e>(expression: &'e IdedExpr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    match &expression.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(visit),
        Expr::Comprehension(of) => {
            [&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result].into_iter().for_each(visit);
        }
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Map(map) => map.entries.iter().for_each(|entry| of_entry(&entry.expr, visit)),
        Expr::Struct(made) => made.entries.iter().for_each(|entry| of_entry(&entry.expr, visit)),
        Expr::Select(select) => visit(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn of_entry<'e>(entry: &'e EntryExpr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => visit(&field.value),
        EntryExpr::MapEntry(entry) => [&entry.key, &entry.value].into_iter().for_each(visit),
    }
}

/// A problem with its place, as CEL's own compiler prints it. Lines count from 1, columns too.
pub(super) fn located(source: &str, (line, column): (isize, isize), message: &str) -> String {
    let index = usize::try_from(line - 1).unwrap_or(0);
    let text = source.lines().nth(index).unwrap_or_default();
    let dots = ".".repeat(usize::try_from(column - 1).unwrap_or(0));
    format!("ERROR: <input>:{line}:{column}: {message}\n | {text}\n | {dots}^")
}

/// Checks a program over variables of known kinds.
pub(super) fn check(
    source: &str,
    program: &Program,
    variables: &[(&str, Kind<'_>)],
    wanted: &[Kind<'_>],
) -> Result<(), CompileError> {
    let scope = variables.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
    let mut checker = Checker { source, info: program.source_info(), scope, problems: Vec::new() };
    let found = checker.infer(program.expression());
    if !checker.problems.is_empty() {
        return Err(CompileError::Syntax(checker.problems.join("\n")));
    }
    if wanted.is_empty() || found == Kind::Dyn || wanted.iter().any(|kind| kind.name() == found.name()) {
        return Ok(());
    }
    let names: Vec<String> = wanted.iter().map(Kind::name).collect();
    Err(CompileError::Result(format!("must evaluate to {}", names.join(" or "))))
}

struct Checker<'c, 's> {
    source: &'c str,
    info: &'c SourceInfo,
    scope: Vec<(String, Kind<'s>)>,
    problems: Vec<String>,
}

impl<'s> Checker<'_, 's> {
    fn say(&mut self, at: &IdedExpr, message: &str) {
        let offset = self.info.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        let before = self.source.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = (isize::try_from(line).unwrap_or(1), isize::try_from(column).unwrap_or(1));
        self.problems.push(located(self.source, place, message));
    }

    fn infer(&mut self, expression: &IdedExpr) -> Kind<'s> {
        match &expression.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Kind::Bool,
                LiteralValue::Bytes(_) => Kind::Bytes,
                LiteralValue::Double(_) => Kind::Double,
                LiteralValue::Int(_) => Kind::Int,
                LiteralValue::Null => Kind::Null,
                LiteralValue::String(_) => Kind::Text,
                LiteralValue::UInt(_) => Kind::Dyn,
            },
            Expr::Ident(name) => self.ident(expression, name),
            Expr::Select(select) => {
                if let Expr::Ident(holder) = &select.operand.expr
                    && let Some(kind) = self.find(&format!("{holder}.{}", select.field))
                {
                    return if select.test { Kind::Bool } else { kind };
                }
                let operand = self.infer(&select.operand);
                let found = self.field(expression, operand, &select.field);
                if select.test { Kind::Bool } else { found }
            }
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(of) => self.comprehension(of),
            Expr::List(list) => {
                let kinds: Vec<Kind<'s>> = list.elements.iter().map(|element| self.infer(element)).collect();
                let same = kinds.windows(2).all(|pair| pair[0] == pair[1]) && list.optional_indices.is_empty();
                Kind::List(Box::new(kinds.into_iter().next().filter(|_| same).unwrap_or(Kind::Dyn)))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    let mut inner = Vec::new();
                    of_entry(&entry.expr, &mut |child| inner.push(child));
                    inner.into_iter().for_each(|child| {
                        self.infer(child);
                    });
                }
                Kind::Map(Box::new(Kind::Dyn))
            }
            Expr::Struct(_) | Expr::Unspecified => Kind::Dyn,
        }
    }

    fn find(&self, name: &str) -> Option<Kind<'s>> {
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, kind)| kind.clone())
    }

    fn ident(&mut self, at: &IdedExpr, name: &str) -> Kind<'s> {
        const TYPES: [&str; 12] = [
            "bool",
            "bytes",
            "double",
            "int",
            "list",
            "map",
            "null_type",
            "optional_type",
            "string",
            "type",
            "uint",
            "google",
        ];
        if let Some(kind) = self.find(name) {
            return kind;
        }
        let holds_more =
            self.scope.iter().any(|(known, _)| known.split_once('.').is_some_and(|(head, _)| head == name));
        if !TYPES.contains(&name) && !holds_more {
            self.say(at, &format!("undeclared reference to '{name}' (in container '')"));
        }
        Kind::Dyn
    }

    fn field(&mut self, at: &IdedExpr, operand: Kind<'s>, name: &str) -> Kind<'s> {
        match operand {
            Kind::Object(shape, whole) => {
                match (whole, name) {
                    (true, "apiVersion" | "kind") => return Kind::Text,
                    (true, "metadata") => return Kind::Dyn,
                    _ => {}
                }
                match shape.properties.iter().find(|(known, _)| escape(known) == name) {
                    Some((_, inner)) => Kind::of(inner, false),
                    None => {
                        self.say(at, &format!("undefined field '{name}'"));
                        Kind::Dyn
                    }
                }
            }
            Kind::Map(inner) => *inner,
            Kind::Optional(inner) => Kind::Optional(Box::new(self.field(at, *inner, name))),
            kind if kind.is_plain() || matches!(kind, Kind::List(_)) => {
                self.say(at, &format!("type '{}' does not support field selection", kind.name()));
                Kind::Dyn
            }
            _ => Kind::Dyn,
        }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Kind<'s> {
        // `math.abs(x)`: the target is no variable but a part of the name.
        let qualified = match call.target.as_deref().map(|target| &target.expr) {
            Some(Expr::Ident(space)) if self.find(space).is_none() => Some(format!("{space}.{}", call.func_name)),
            _ => None,
        };
        let known = |name: &str| FUNCTIONS.iter().find(|(function, _)| *function == name).map(|(_, gives)| *gives);
        if let Some(gives) = qualified.as_deref().and_then(known) {
            call.args.iter().for_each(|argument| {
                self.infer(argument);
            });
            return gives();
        }
        if let Some(target) = call.target.as_deref() {
            self.infer(target);
        }
        let arguments: Vec<Kind<'s>> = call.args.iter().map(|argument| self.infer(argument)).collect();
        if let Some(kind) = self.operator(at, &call.func_name, &arguments) {
            return kind;
        }
        match known(&call.func_name) {
            Some(gives) => gives(),
            None if call.func_name.contains('@') || call.func_name.starts_with(['_', '!', '-']) => Kind::Dyn,
            None => {
                self.say(at, &format!("undeclared reference to '{}' (in container '')", call.func_name));
                Kind::Dyn
            }
        }
    }

    /// The kind an operator gives; none where it is no operator.
    fn operator(&mut self, at: &IdedExpr, name: &str, arguments: &[Kind<'s>]) -> Option<Kind<'s>> {
        let (result, fits) = match (name, arguments) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                (Kind::Bool, [left, right].iter().all(|kind| **kind == Kind::Bool || !kind.is_plain()))
            }
            (operators::LOGICAL_NOT, [kind]) => (Kind::Bool, *kind == Kind::Bool || !kind.is_plain()),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right])
            | (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                let unlike = left.is_plain() && right.is_plain() && left != right;
                (Kind::Bool, !unlike || left.is_number() && right.is_number())
            }
            (operators::IN, [_, _]) => (Kind::Bool, true),
            (operators::ADD | operators::SUBSTRACT, [left, right]) => {
                let moments = [left, right].iter().any(|kind| matches!(kind, Kind::Time | Kind::Duration));
                let known = left.is_plain() && right.is_plain();
                let result = if known && !moments { left.clone() } else { Kind::Dyn };
                let list = [left, right].into_iter().find(|kind| matches!(kind, Kind::List(_)));
                let result = list.cloned().unwrap_or(result);
                (result, !known || moments || left == right && *left != Kind::Bool)
            }
            (operators::MULTIPLY | operators::DIVIDE | operators::MODULO, [left, right]) => {
                let known = left.is_plain() && right.is_plain();
                let result = if known { left.clone() } else { Kind::Dyn };
                (result, !known || left == right && left.is_number())
            }
            (operators::NEGATE, [kind]) => {
                (kind.clone(), !kind.is_plain() || kind.is_number() || *kind == Kind::Duration)
            }
            (operators::CONDITIONAL, [condition, left, right]) => {
                let result = if left == right { left.clone() } else { Kind::Dyn };
                (result, *condition == Kind::Bool || !condition.is_plain())
            }
            (operators::INDEX, [holder, _]) => match holder {
                Kind::List(inner) | Kind::Map(inner) => ((**inner).clone(), true),
                _ => (Kind::Dyn, true),
            },
            _ => return None,
        };
        if !fits {
            let kinds: Vec<String> = arguments.iter().map(Kind::name).collect();
            self.say(at, &format!("found no matching overload for '{name}' applied to '({})'", kinds.join(", ")));
        }
        Some(result)
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> Kind<'s> {
        let range = self.infer(&of.iter_range);
        let start = self.infer(&of.accu_init);
        let before = self.scope.len();
        // `cel.bind` is a loop over nothing: its variable is the accumulator.
        let is_binding = matches!(&of.iter_range.expr, Expr::List(list) if list.elements.is_empty());
        self.scope.push((of.accu_var.clone(), if is_binding { start.clone() } else { Kind::Dyn }));
        self.scope.push((of.iter_var.clone(), range.element()));
        self.infer(&of.loop_cond);
        let step = self.infer(&of.loop_step);
        let result = self.infer(&of.result);
        self.scope.truncate(before);
        match start {
            _ if is_binding => result,
            Kind::Bool | Kind::Int => Kind::Bool,
            Kind::List(_) => match step {
                Kind::List(inner) => Kind::List(inner),
                _ => Kind::List(Box::new(Kind::Dyn)),
            },
            _ => Kind::Dyn,
        }
    }
}
