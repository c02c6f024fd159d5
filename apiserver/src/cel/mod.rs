//! CEL as Kubernetes has it: rules of custom kinds, conditions of webhooks, admission policies.
//! <https://kubernetes.io/docs/reference/using-api/cel/>

mod budget;
mod check;
pub mod duration;
mod library;
mod value;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use check::Kind;
pub use value::{JsonValue, dynamic, shaped};

use cel::common::ast::IdedExpr;
use cel::common::value::Val;
use cel::{Context, Env, ExecutionError, Value};
use std::sync::{Arc, LazyLock};

/// Longest expression, in bytes.
pub const SOURCE_LIMIT_BYTES: usize = 64 * 1024;
/// How deep an expression may nest: reading and evaluating take stack for each level.
const DEPTH_LIMIT: usize = 500;
/// Deepest expression that is evaluated on the thread that asks.
const SHALLOW_LIMIT: usize = 24;
/// Stack of the threads that read expressions and evaluate deep ones, in bytes.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// An expression cannot be read, or makes no sense; worded as Kubernetes words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It is too long.
    #[error("expression is too long: {0} bytes, the limit is {SOURCE_LIMIT_BYTES}")]
    TooLong(usize),
    /// It nests too deep.
    #[error("compilation failed: ERROR: <input>:1:1: expression nests deeper than {DEPTH_LIMIT} levels")]
    TooDeep,
    /// It is no CEL.
    #[error("compilation failed: {0}")]
    Syntax(String),
    /// The parser gave up.
    #[error("compilation failed: internal error: {0}")]
    Parser(String),
    /// It gives something else than is wanted.
    #[error("{0}")]
    Result(String),
}

/// An evaluation failed; worded as Kubernetes words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It cost too much.
    #[error("{}", budget::EXCEEDED)]
    Budget,
    /// An operator or function does not take such values.
    #[error("no such overload")]
    Overload,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<ExecutionError> for EvaluationError {
    fn from(error: ExecutionError) -> Self {
        let text = match error {
            ExecutionError::InternalError(text) if text == budget::EXCEEDED => return EvaluationError::Budget,
            ExecutionError::NoSuchOverload(_)
            | ExecutionError::UnexpectedType { .. }
            | ExecutionError::UnsupportedBinaryOperator(..)
            | ExecutionError::ValuesNotComparable(..)
            | ExecutionError::NotSupportedAsMethod { .. }
            | ExecutionError::UnsupportedTargetType { .. }
            | ExecutionError::UnsupportedIndex(..) => return EvaluationError::Overload,
            ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
            ExecutionError::UndeclaredReference(name) => {
                format!("undeclared reference to '{name}' (in container '')")
            }
            ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
            ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
            ExecutionError::Overflow(..) => "integer overflow".to_owned(),
            ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("index out of bounds: {index}"),
            ExecutionError::FunctionError { message, .. } => message,
            other => other.to_string(),
        };
        EvaluationError::Failed(text)
    }
}

static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(library::environment().expect("a test builds the environment")));

/// Runs `work` on a thread with a large stack.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("internal error: {error}"))?;
        thread.join().map_err(|_| "internal error: the expression could not be handled".to_owned())
    })
}

/// An expression that was read and checked.
#[derive(Debug)]
pub struct Expression {
    tree: IdedExpr,
    nodes: u64,
    names: Vec<String>,
    is_deep: bool,
}

impl Expression {
    /// Reads an expression over variables of known kinds, whose result must be of one of `wanted` (of any kind where that
    /// is empty).
    pub fn compile(source: &str, variables: &[(&str, Kind<'_>)], wanted: &[Kind<'_>]) -> Result<Self, CompileError> {
        if source.len() > SOURCE_LIMIT_BYTES {
            return Err(CompileError::TooLong(source.len()));
        }
        // The parser's stack grows with every bracket, and whatever it does ends with its thread.
        on_large_stack(|| Self::compile_here(source, variables, wanted))
            .unwrap_or_else(|why| Err(CompileError::Parser(why)))
    }

    fn compile_here(source: &str, variables: &[(&str, Kind<'_>)], wanted: &[Kind<'_>]) -> Result<Self, CompileError> {
        let environment = &*ENVIRONMENT;
        let program = environment.compile(source).map_err(|errors| {
            let told: Vec<String> =
                errors.errors.iter().map(|error| check::located(source, error.pos, &error.msg)).collect();
            CompileError::Syntax(told.join("\n"))
        })?;
        let depth = check::depth(program.expression());
        if depth > DEPTH_LIMIT {
            return Err(CompileError::TooDeep);
        }
        check::check(source, &program, variables, wanted)?;
        let references = program.references();
        let names = references.variables().into_iter().map(str::to_owned).collect();
        let mut tree = program.expression().clone();
        let nodes = budget::charged(&mut tree);
        Ok(Self { tree, nodes, names, is_deep: depth > SHALLOW_LIMIT })
    }

    /// Whether it looks at a variable.
    pub fn uses(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// What it looks at below `variables`, if anything.
    pub fn selected_of(&self, holder: &str) -> Vec<String> {
        let mut found = Vec::new();
        check::selections(&self.tree, holder, &mut found);
        found
    }

    /// What it comes to over the variables of `scope`.
    pub fn evaluate(&self, scope: &Scope<'_>, budget: &mut Budget) -> Result<Value, EvaluationError> {
        let mut evaluate = || budget.spend(self.nodes, || Value::resolve(&self.tree, &scope.0));
        if self.is_deep {
            return on_large_stack(evaluate).unwrap_or_else(|why| Err(EvaluationError::Failed(why)));
        }
        evaluate()
    }

    /// Whether it holds.
    pub fn holds(&self, scope: &Scope<'_>, budget: &mut Budget) -> Result<bool, EvaluationError> {
        match self.evaluate(scope, budget)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(EvaluationError::Failed("cel expression evaluates to a non-bool value".to_owned())),
        }
    }

    /// The text it gives.
    pub fn text(&self, scope: &Scope<'_>, budget: &mut Budget) -> Result<Option<String>, EvaluationError> {
        match self.evaluate(scope, budget)? {
            Value::String(text) => Ok(Some(text.to_string())),
            _ => Ok(None),
        }
    }
}

/// The variables an expression is evaluated over.
pub struct Scope<'v>(Context<'v, 'v>);

impl Default for Scope<'_> {
    fn default() -> Self {
        Self(Context::with_env(ENVIRONMENT.clone()))
    }
}

impl<'v> Scope<'v> {
    /// Sets a variable; a name such as `variables.x` is found by selecting `x` of `variables`.
    pub fn set(&mut self, name: &str, value: Box<dyn Val + 'v>) {
        self.0.add_variable_as_val(name, value);
    }

    /// Sets a variable to what another evaluation came to.
    pub fn set_result(&mut self, name: &str, value: Value) -> Result<(), EvaluationError> {
        let value: Box<dyn Val> = value.try_into().map_err(EvaluationError::from)?;
        self.set(name, value);
        Ok(())
    }
}
