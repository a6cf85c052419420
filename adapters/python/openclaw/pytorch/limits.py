"""Limits: what a script does that no rank's death can be hidden from. Read from its source at the start, so that the person
knows before the first failure; such a job is restarted whole from its last checkpoint."""

import ast
import os
import sys

# Calls and names by which a script shows what it does -> why it does not survive. Those with True need torch's own group.
SIGNS = {
    "send": (True, "it sends from rank to rank (send)"), "recv": (True, "it receives from rank to rank (recv)"),
    "isend": (True, "it sends from rank to rank (isend)"), "irecv": (True, "it receives from rank to rank (irecv)"),
    "batch_isend_irecv": (True, "it sends from rank to rank"),
    "send_object_list": (True, "it sends from rank to rank"), "recv_object_list": (True, "it receives from rank to rank"),
    "new_group": (True, "it makes subgroups (new_group)"), "new_subgroups": (True, "it makes subgroups"),
    "split_group": (True, "it makes subgroups (split_group)"),
    "init_device_mesh": (True, "it divides the ranks (init_device_mesh)"),
    "all_to_all": (True, "it uses all_to_all"), "all_to_all_single": (True, "it uses all_to_all"),
    "reduce_scatter": (True, "it uses reduce_scatter"), "reduce_scatter_tensor": (True, "it uses reduce_scatter"),
    "scatter": (True, "it uses scatter"), "scatter_object_list": (True, "it uses scatter"),
    "FullyShardedDataParallel": (True, "no rank holds the whole model (FSDP)"),
    "fully_shard": (True, "no rank holds the whole model (FSDP)"),
    "register_comm_hook": (False, "it has its own communication hook"),
    "IterableDataset": (False, "an iterable data set cannot be wound to a position"),
}
# These names mean something only on torch.distributed, as attributes of it or imported from it.
_OF_DISTRIBUTED = {"send", "recv", "isend", "irecv", "scatter", "all_to_all", "reduce_scatter"}


def of_script(path):
    """-> (reasons why the script does not survive a death, whether it needs torch's own process group)."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return [], False
    distributed, imported = _names_of_distributed(tree)
    reasons, needs_own = [], False
    for node in ast.walk(tree):
        found = _sign(node, distributed, imported)
        if found:
            is_foreign, why = SIGNS[found]
            needs_own = needs_own or is_foreign
            if why not in reasons:
                reasons.append(why)
    if _is_steered_by_loss(tree):
        reasons.append("its loop is steered by the loss (a `break` that depends on one)")
    return reasons, needs_own


def main_script():
    """The file the process runs, or an empty text."""
    main = sys.modules.get("__main__")
    return os.path.abspath(getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "") or "")


def _names_of_distributed(tree):
    """Names under which the script knows torch.distributed, and what it imported from it."""
    names, imported = {"distributed"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname or one.name for one in node.names if one.name == "torch.distributed" and one.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "torch" :
            names |= {one.asname or one.name for one in node.names if one.name == "distributed"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch.distributed"):
            imported |= {one.asname or one.name for one in node.names}
    return names, imported


def _sign(node, distributed, imported):
    if isinstance(node, ast.Attribute) and node.attr in SIGNS:
        owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
        return node.attr if node.attr not in _OF_DISTRIBUTED or owner in distributed else None
    if isinstance(node, ast.Name) and node.id in SIGNS:
        return node.id if node.id not in _OF_DISTRIBUTED or node.id in imported else None
    return None


def _is_steered_by_loss(tree):
    """Whether an `if` that looks at a loss (early stopping) decides about a `break`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and any(isinstance(one, ast.Break) for inner in node.body for one in ast.walk(inner)):
            names = {one.id.lower() for one in ast.walk(node.test) if isinstance(one, ast.Name)}
            names |= {one.attr.lower() for one in ast.walk(node.test) if isinstance(one, ast.Attribute)}
            if any("loss" in name or "patience" in name or "stopp" in name for name in names):
                return True
    return False


# -- another number of ranks while it trains

_WORLD_NAMES = {"world", "world_size"}  # what functions that are handed the number of ranks call it


def of_scaling(path):
    """-> reasons why the script reckons with the number of ranks that it had at its start, and so cannot be given another while it
    trains. A number that is asked for where it is used is the number at that moment."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return []
    kept = _kept_worlds(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            for name in _reckoned(node):
                if name in kept:
                    return [f"it reckons with the number of ranks that it had at its start ({name}, line {node.lineno} and after); "
                            "torch.distributed.get_world_size() in that place would be the number of the moment"]
    return []


def _kept_worlds(tree):
    """Names that hold the number of ranks and are not read anew in a loop."""
    kept, fresh = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            kept |= {one.arg for one in node.args.args + node.args.kwonlyargs} & _WORLD_NAMES
        elif isinstance(node, ast.Assign):
            kept |= _worlds_of(node)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Assign):
                    fresh |= _worlds_of(inner)
    return kept - fresh


def _worlds_of(assign):
    """The names that an assignment gives the number of ranks to."""
    names = set()
    for target in assign.targets:
        pairs = [(target, assign.value)]
        if isinstance(target, ast.Tuple) and isinstance(assign.value, ast.Tuple):
            pairs = zip(target.elts, assign.value.elts)
        names |= {to.id for to, value in pairs if isinstance(to, ast.Name) and _is_world(value)}
    return names


def _is_world(value):
    return any(isinstance(node, ast.Constant) and node.value == "WORLD_SIZE"
               or isinstance(node, (ast.Attribute, ast.Name)) and getattr(node, "attr", getattr(node, "id", "")) == "get_world_size"
               for node in ast.walk(value))


def _reckoned(loop):
    """Names that a loop's body divides, multiplies, strides or counts by."""
    for node in (one for statement in loop.body for one in ast.walk(statement)):
        parts = []
        if isinstance(node, ast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, ast.AugAssign):
            parts = [node.value]
        elif isinstance(node, ast.Slice):
            parts = [node.step]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range":
            parts = node.args
        yield from (part.id for part in parts if isinstance(part, ast.Name))
