"""N11xx: training, its data, and the folders of runs."""

from npde.diagnostics.record import Code

LOSS_NOT_FINITE = Code(
    "N1101",
    "The loss is not finite at epoch {epoch}, step {step}.",
    "",
    "Training stopped because the loss became NaN or infinite; the model has the values it had after the "
    "last good epoch. The notes say in which field and at which step of the march the first bad number "
    "appeared, and how the time step compares with the largest stable one. A smaller learning rate (`--lr`), "
    "gradient clipping, or a shorter time step help most often.",
)
GRADIENT_NOT_FINITE = Code(
    "N1102",
    "The gradient of '{name}' is not finite at epoch {epoch}, step {step}.",
    "",
    "The loss itself is finite, but its derivative is not: a root or a logarithm at zero, a division by a "
    "field that vanishes, or a rollout whose sensitivity grows beyond the range of the floating-point type "
    "(`--dtype float64` has more).",
)
NOTHING_TO_TRAIN = Code(
    "N1103",
    "The model '{model}' has nothing to train: {reason}.",
    "",
    "What a model may change is what its file declares with `learn`, or what `--free kernels` and `--free "
    "layers` release; `--fix` takes names away.",
)
UNKNOWN_LEARNABLE = Code(
    "N1104",
    "'{name}' is not a learnable of the model '{model}'.",
    "it learns {present}",
    "`--fix` takes names as the file declares them, or the name of a learned layer such as `linear_0`.",
)
RUN_EXISTS = Code(
    "N1105",
    "'{path}' already holds a run.",
    "",
    "A run is never overwritten. `--resume` goes on with it; otherwise choose another folder.",
)
OTHER_OPTIONS = Code(
    "N1106",
    "The run '{path}' was started with {option} = {found}, not {given}.",
    "",
    "A run goes on exactly as it would have without the interruption, so whatever decides its course must be "
    "the same. Only the number of epochs may grow.",
)
DAMAGED_RUN = Code(
    "N1107",
    "The run '{path}' cannot be read: {reason}.",
    "",
    "Each checkpoint keeps the SHA-256 of its files. Remove a damaged one and write the number of an earlier "
    "one into `latest`.",
)
NOT_A_RUN = Code(
    "N1108",
    "'{path}' is not a folder of a run: {reason}.",
    "",
    "`npde train FILE --data d.h5 -o runs/a` makes such a folder: `model.npde`, `options.json`, "
    "`metrics.jsonl`, `checkpoints/` and `latest`.",
)
BETWEEN_STEPS = Code(
    "N1109",
    "The frame at {coordinate} = {time} lies between two steps of the march.",
    "steps are {dt} long and start at {start}",
    "Predictions are compared with the data at the same times, so each time of the data must be a whole "
    "number of steps after the start of the model's extent. `--march rk4,dt=…` or `--extent` change the "
    "steps without touching the file.",
)
OTHER_SHAPE = Code(
    "N1110",
    "'{name}' in the data has shape {found}, but the model expects {expected}.",
    "",
    "Trajectories are [batch, time, (components,) *grid]; inputs are [batch, *shape] with the shapes that "
    "`net.inputs` lists.",
)
OTHER_TYPE = Code(
    "N1111",
    "'{name}' in the data holds {found}, but the model expects {expected}.",
    "",
    "A complex array is never silently cut down to its real part, and class numbers are whole numbers.",
)
UNKNOWN_DATA = Code(
    "N1112",
    "The model has no {kind} '{name}'.",
    "it has {present}",
    "Names in the data are those of the `.npde` file.",
)
MISSING_DATA = Code(
    "N1113",
    "The data has no '{name}', which the model needs.",
    "{why}",
    "Every input of the model needs values. A trajectory that starts from the data needs every field, and "
    'the velocity `dt(u)` of a field given by `dtt(u)`; with `start="file"` it starts from the file\'s '
    "`initial` instead, and fields may be missing.",
)
OTHER_COUNT = Code(
    "N1114",
    "'{name}' in the data has {found} samples, but '{other}' has {expected}.",
    "",
    "All arrays of a data set belong to the same samples, in the same order. Only an array with one sample "
    "is shared by all.",
)
BAD_VALUES = Code(
    "N1115",
    "'{name}' in the data holds values that are not finite: {count} of {total}.",
    "",
    "What was not observed is said by a mask (`mask={'u': array of booleans}`), never by NaN.",
)
BAD_LABEL = Code(
    "N1116",
    "The class number {found} in '{name}' is outside 0 … {last}.",
    "",
    "An output `y[n]` that is compared with class numbers scores n classes, counted from 0.",
)
WRONG_LOSS = Code(
    "N1117",
    "The loss '{loss}' cannot compare '{name}' with the data: {reason}.",
    "",
    "`cross_entropy` compares scores with class numbers, `mse` and `relative_l2` compare numbers with numbers.",
)
UNKNOWN_OPTION = Code(
    "N1118",
    "There is no {kind} '{name}'.",
    "known: {present}",
    "Strategies are `adam` and `lbfgs`; losses are `mse`, `relative_l2` and `cross_entropy`.",
)
BAD_OPTION = Code(
    "N1119",
    "{option} = {found} is out of range: {expected}.",
    "",
    "An option of training that no run can be made with.",
)
BUSY_RUN = Code(
    "N1120",
    "Another process is training in '{path}'.",
    "",
    "Two processes that write into one run would spoil it. Wait for the other, or train in another folder.",
)
STEP_TOO_LONG = Code(
    "N1121",
    "The time step {dt} is longer than the scheme is stable for, {bound}, at the learned values of epoch {epoch}.",
    "{names}",
    "The bound depends on what is learned. It was met at the start values and is not any more, so the march "
    "may oscillate or blow up, and gradients with it. Take more steps (`--march rk4,steps=…`), or keep the "
    "value in an interval: `learn D = 0.1 in [0, 0.5]`.",
    severity="warning",
)
OTHER_ENVIRONMENT = Code(
    "N1122",
    "The run '{path}' was started with {option} = {found}, now it is {given}: the last bits may differ.",
    "",
    "Versions, threads and devices decide in which order numbers are summed, and so their last bits. The run goes on; it is "
    "repeated bit for bit only under the same ones.",
    severity="warning",
)
