"""N10xx: files that are read and written, and runs that leave the numbers a computer has."""

from npde.diagnostics.record import Code

CANNOT_OPEN = Code(
    "N1001",
    "'{path}' cannot be opened: {reason}.",
    "",
    "The file does not exist, may not be read, or is not of the kind that was asked for: data files are "
    "HDF5, models are UTF-8 text. An HDF5 file that was still being written when its program was killed "
    "cannot be opened either.",
)
CANNOT_WRITE = Code(
    "N1002",
    "'{path}' cannot be written: {reason}.",
    "",
    "Everything npde writes goes to a temporary file beside the target, which takes its name only when it is "
    "complete. So the disk needs room for both, the folder must be writable, and whatever was there before "
    "is still there.",
)
NO_SUCH_DATA_SET = Code(
    "N1003",
    "'{path}' has no data set '{name}'.",
    "the file holds {present}",
    "Data sets are looked up under the names of the model's fields and inputs. Where the file has another "
    'name for one, say so: `--name u=density` on the command line, `names={"u": "density"}` in Python.',
)
WRONG_SHAPE = Code(
    "N1004",
    "'{name}' in '{path}' has shape {found}, but the model expects {expected}.",
    "declared here",
    "A field is stored as [batch, time, *grid], with its components before the grid when it has some; an "
    "input or output has a time axis only if it takes the marching coordinate. The cells of each axis must "
    "be those of the model's grid, which `--grid` changes without touching the file.",
)
WRONG_TYPE = Code(
    "N1005",
    "'{name}' in '{path}' holds {found}, but the model expects {expected} numbers.",
    "declared here",
    "Real and whole numbers of any width are read for real fields, complex numbers as well for complex ones. "
    "A complex array is never silently cut down to its real part.",
)
TOO_LARGE = Code(
    "N1006",
    "'{path}' would take {needed} of memory, but {available} are free.",
    "",
    "Sizes are checked before anything is allocated. Read fewer trajectories (`--samples 100`), or use a "
    "machine with more memory.",
)
NOT_FINITE_DATA = Code(
    "N1007",
    "'{name}' in '{path}' holds values that are not finite: {count} of {total}.",
    "declared here",
    "A NaN or an infinity in the data would turn every learned value into NaN at the first step of training.",
)
OTHER_POSITIONS = Code(
    "N1008",
    "'{coordinate}' in '{path}' runs from {found_first} in steps of {found_spacing}, but the grid of the "
    "model from {first} in steps of {spacing}.",
    "declared here",
    "Data are compared with the model cell by cell, so both must stand on the same cells: x_j = a + (j + "
    "1/2) h on a bounded axis, x_j = a + j h on a periodic one, where a shift by half a cell is let through. "
    "`--extent` and `--grid` change the model's.",
)
INPUT_MISSING = Code(
    "N1009",
    "The input '{name}' was not given.",
    "declared here",
    "A model with inputs needs a value for each of them: `--input s=d.h5:s` reads the data set 's' of "
    "'d.h5'; `--input s=0.5` is a constant.",
)
UNKNOWN_LAYOUT = Code(
    "N1010",
    "'{path}' is in no layout that npde knows.",
    "the file holds {present}",
    "Known layouts are npde's own (a data set a field, coordinates as dimension scales), PDEBench (`tensor`, "
    "or `0000/data` and its successors) and The Well (`t0_fields`, `t1_fields`). `--layout` names one where "
    "the file could be several.",
)
OTHER_BATCH = Code(
    "N1011",
    "'{name}' in '{path}' has {found} samples, but '{other}' has {expected}.",
    "declared here",
    "All fields, inputs and outputs of a file belong to the same samples, in the same order. Only an array "
    "with a single sample is shared by all.",
)
OTHER_TIMES = Code(
    "N1012",
    "'{name}' in '{path}' has {found} frames, but '{time}' has {expected} values.",
    "declared here",
    "Each frame of a field belongs to one value of the marching coordinate.",
)
UNLIKE_SAMPLES = Code(
    "N1015",
    "The samples of '{path}' differ in shape.",
    "{why}",
    "All samples of a file have the same times and the same grid; they are read as one array.",
)
OUTSIDE_LINK = Code(
    "N1013",
    "'{name}' in '{path}' is a link to another file.",
    "",
    "An HDF5 file can name other files to read from. Those are not followed: data from strangers should not "
    "choose what is read on this machine.",
)
NO_SUCH_INPUT = Code(
    "N1014",
    "The model has no input '{name}'.",
    "it has {present}",
    "`--input NAME=FILE:DATASET` gives a value to an input that the model declares.",
)
BLOW_UP = Code(
    "N1020",
    "'{field}' is not finite after step {step}, {coordinate} = {time}.",
    "evolves by this equation",
    "A NaN or an infinity appeared. Most often the step is longer than the scheme is stable for; the note "
    "compares it with the bound. Otherwise the equation itself grows without limit (`dt(u) = u^2` does, in "
    "finite time), or divides by zero, or takes the root of a negative number.",
)
OUT_OF_MEMORY = Code(
    "N1021",
    "This {what} would take {needed} of memory, but {available} are free.",
    "",
    "The peak is predicted before anything is allocated: the emitted module runs on PyTorch's meta device, where arrays have "
    "shapes and no data, and what it keeps at once is added up. The notes name the largest parts. Fewer samples at a time, "
    "fewer steps with gradients, a coarser grid or single precision need less.",
)
BUDGET = Code(
    "N1022",
    "A march with gradients takes at least {least} of memory here, but `memory` allows {allowed}.",
    "",
    "`memory=` (`--memory`) is what a march and its gradient may add to the memory that the process has. Where the states of "
    "all steps take more, some are kept and what lies between is computed again; the least is what is needed if no step "
    "is computed again more often than a few times. Fewer samples at a time, a shorter march, a coarser grid or single "
    "precision need less.",
)
NOT_PLANNED = Code(
    "N1025",
    "Under torch.compile this march cannot keep to its `memory`.",
    "",
    "`memory=` plans what is kept for the gradient and what is computed again. Where torch.compile sees the whole march, it "
    "decides that itself and asks nobody. `model.compile(compile=True, memory=...)` gives it one step and keeps to the budget; "
    'so does `backend="native"` under torch.compile. `limit_memory(None)` lifts the budget.',
)
NOT_CONVERGED = Code(
    "N1023",
    "{method} did not converge in {count} iterations.",
    "the residual of this equation is not small enough",
    "An iteration ended before its tolerance. The note shows how the residual fell: where it still falls, more iterations "
    "help; where it stands still or grows, the equation may have no solution near the guess, or the matrix may be too "
    "ill-conditioned for the method.",
)
UNBALANCED = Code(
    "N1024",
    "The equation has no solution: {why}.",
    "determines its field up to a constant only",
    "Where only derivatives of a field are stated, in the equation and at the walls, a solution exists if sources and boundary "
    "fluxes add up to zero: the integral of the left side over the domain is fixed by the walls.",
)
NOT_A_PRETRAINED = Code(
    "N1030",
    "'{path}' is not a folder with a saved model: {reason}.",
    "",
    "A saved model is a folder with `model.npde`, `model.safetensors`, `config.json` and `model.py`, as "
    "`net.save_pretrained(folder)` writes it.",
)
TAMPERED = Code(
    "N1031",
    "'{file}' in '{path}' is not the file that was saved.",
    "",
    "`config.json` keeps the SHA-256 of every file of the folder, and this one differs: it was edited, "
    "damaged or exchanged. To change a model, compile the changed `.npde` and load the weights yourself.",
)
OTHER_WEIGHTS = Code(
    "N1032",
    "The weights in '{path}' do not fit the model: {reason}.",
    "",
    "Names, shapes and types of all arrays in `model.safetensors` are compared with those of the recompiled "
    "model before any of them is read.",
)
OTHER_FORMAT = Code(
    "N1033",
    "'{path}' was saved in format {found}, but this version of npde reads format {expected}.",
    "",
    "The folder was written by another version of npde. Its `model.npde` is plain text and can be compiled again.",
)
