"""Gradients of emitted modules: gradcheck for every kind of layer, adjoints by dot products, released networks that train."""

from __future__ import annotations

import pytest
import torch

from tests.comparison import EXAMPLES, compiled, perturb, random_inputs

HEAD = "model m\ncoordinates x in [0, 1], t in [0, 0.02]\n"
PLANE = "model m\ncoordinates x, y in [0, 1], t in [0, 0.02]\n"
RUN = "march euler, steps: 2\n"

MODELS = {
    "stencil, periodic": HEAD + "field u(x, t)\nlearn D = 0.1 > 0\ndt(u) = D*dxx(u) + u^2\nboundary periodic\n"
    "initial u = sin(2*pi*x)\ngrid x: 6\nmarch rk4, steps: 2\n",
    "learned wall data": HEAD + "field u(x, t)\nlearn q = 0.3, b = 0.5 > 0\ndt(u) = 0.1*dxx(u)\nboundary x = 0: u = q*(1 + t)\n"
    "boundary x = 1: u + b*dn(u) = q^2\ninitial u = x\ngrid x: 8\norder 4\n" + RUN,
    "flux": PLANE + "field u(x, y, t)\nlearn a(x, y) = 1 > 0\ndt(u) = div(a*(1 + u^2)*grad(u))\nboundary x: periodic\n"
    "boundary y = 0: dn(u) = 0\nboundary y = 1: u = 1\ninitial u = x*(1 - x) + y\ngrid x: 5, y: 4\nmarch euler, steps: 2\n",
    "kernel and adjoint": PLANE + "field u[2](x, y, t)\nlearn K[3, 2](t) stencil 3x3, b[3](t) = 0.1\n"
    "dt(u) = -adjoint(K)(tanh(K(u) + b))\nboundary x: periodic\nboundary y = 0: u = 0\nboundary y = 1: dn(u) = 0\n"
    "input image[1](x, y)\ninitial u = lift(image)\ngrid x: 4, y: 5\nmarch euler, steps: 2\n"
    "output z[3] = linear(mean(u, x, y))\n",
    "nonlocal": HEAD + "field u(x, t)\nlearn W(x, x', t), w(x), b(x) = 0\ninput s[2](t)\nlearn g[2](x)\n"
    "dt(u) = -u + tanh(integral(W(x, x')*u(x'), x') + integral(w(x - x')*u(x'), x') + dot(g, s) + b)\n"
    "boundary periodic\ninitial u = 0.3\ngrid x: 5\nmarch heun, steps: 2\noutput y(t) = integral(u^2, x)\n",
    "closure": HEAD + "field u(x, t), v(x, t)\nlearn f[2](p, q) = mlp(3, tanh)\nlearn A[2, 2] = 0.2\n"
    "dt(u) = 0.1*dxx(u) + f(u, v)[0]\ndt(v) = f(v, u)[1] - v\nboundary u: periodic\ninitial u = x\ninitial v = 1 - x\n"
    "grid x: 5\nmarch ab2, steps: 4\n".replace("boundary u: periodic", "boundary periodic"),
    "leapfrog": HEAD + "field u(x, t)\nlearn c(x) = 1 in [0.5, 2]\ndtt(u) = c^2*dxx(u) - sin(u)\nboundary x = 0: u = 0\n"
    "boundary x = 1: dn(u) = 0\ninitial u = sin(pi*x)\ninitial dt(u) = 0\ngrid x: 7\nmarch leapfrog, steps: 3\n",
    "crank_nicolson, walls": PLANE + "field u(x, y, t)\nlearn a(x, y) = 1 > 0, q = 0.2\ndt(u) = div(a*grad(u)) + q\n"
    "boundary x = 0: u = q\nboundary x = 1: u + 0.5*dn(u) = t\nboundary y: periodic\ninitial u = x*y\ngrid x: 5, y: 4\n"
    "march crank_nicolson, steps: 2\n",
    "crank_nicolson, ring": HEAD + "field psi(x, t) complex\nlearn V(x) = x^2\ni*dt(psi) = -0.5*dxx(psi) + V*psi\n"
    "boundary periodic\ninitial psi = exp(2*pi*i*x)\ngrid x: 7\nmarch crank_nicolson, steps: 2\n",
    "crank_nicolson, fft": HEAD + "field u(x, t)\nlearn D = 0.1 > 0\ndt(u) = D*dxx(u)\nboundary periodic\n"
    "initial u = sin(2*pi*x)\ngrid x: 6\nmarch crank_nicolson, steps: 2\n",
    "strang": HEAD + "field psi(x, t) complex\nlearn V(x) = x, m = 0.5 > 0\ni*dt(psi) = -m*dxx(psi) - abs2(psi)*psi + V*psi\n"
    "boundary periodic\ninitial psi = 1 + 0.2*exp(2*pi*i*x)\ngrid x: 6\nmarch strang, steps: 2\n",
    "ab3": HEAD + "field u(x, t)\nlearn D(t) = 0.1 > 0\ndt(u) = D*dxx(u) - u^2*cos(t)\nboundary x = 0: u = t\n"
    "boundary x = 1: dn(u) = 0\ninitial u = sin(pi*x)\ngrid x: 5\nmarch ab3, steps: 5\n",
    "lie": HEAD + "field u(x, t)\nlearn D = 0.1 > 0, r = 1\ndt(u) = D*dxx(u) + sin(r*u)\nboundary periodic\n"
    "initial u = sin(2*pi*x)\ngrid x: 6\nmarch lie, steps: 2\n",
    "bdf2, newton": HEAD + "field u(x, t)\nlearn D(x) = 0.1 > 0, q = 0.3\ninput s(x)\ndt(u) = D*dxx(u) - u^3*s\n"
    "boundary x = 0: u = q*t\nboundary x = 1: dn(u) = 0\ninitial u = sin(pi*x)\ngrid x: 5\nmarch bdf2, steps: 3\n",
    "crank_nicolson, newton": HEAD + "field psi(x, t) complex\nlearn m = 0.5 > 0\ni*dt(psi) = -m*dxx(psi) + abs2(psi)*psi\n"
    "boundary periodic\ninitial psi = 1 + 0.2*exp(2*pi*i*x)\ngrid x: 5\nmarch crank_nicolson, steps: 2\n",
    "sbdf2": PLANE + "field u(x, y, t)\nlearn D = 0.1 > 0, q = 0.3\ndt(u) = D*lap(u) - u^3 + dx(u^2)\nboundary x: periodic\n"
    "boundary y = 0: u = q*t\nboundary y = 1: dn(u) = q\ninitial u = 1 + sin(2*pi*x)*y\ngrid x: 4, y: 4\nmarch sbdf2, steps: 3\n",
    "cnab2, fft": HEAD + "field u(x, t), v(x, t)\nlearn D = 0.1 > 0, r(t) = 1\ndt(u) = D*dxx(u) - r*u*v\n"
    "dt(v) = dxx(v)/9 + D*dxx(u)\nboundary periodic\ninitial u = 1\ninitial v = sin(2*pi*x)\ngrid x: 5\nmarch cnab2, steps: 3\n",
    "etdrk4": HEAD + "field u(x, t), v(x, t)\nlearn D = 0.1 > 0, r = 1\ndt(u) = D*dxx(u) - r*u*v\n"
    "dt(v) = dxx(v)/9 + D*dx(u) + dx(v^2)\nboundary periodic\n"
    "initial u = 1 + cos(2*pi*x)\ninitial v = sin(2*pi*x)\ngrid x: 5\nmarch etdrk4, steps: 2\n",
    "etdrk2": PLANE + "field u(x, y, t)\nlearn D = 0.1 > 0\ndt(u) = -D*lap(lap(u)) + lap(u^3)\nboundary periodic\n"
    "initial u = sin(2*pi*(x + y))\ngrid x: 6, y: 5\nmarch etdrk2, steps: 2\n",
    "strang, walls": PLANE + "field u(x, y, t)\nlearn D = 0.1 > 0, r = 1\ndt(u) = D*lap(u) + sin(r*u)\nboundary x: periodic\n"
    "boundary y = 0: u = 0\nboundary y = 1: dn(u) = 0\ninitial u = y + 0.3*sin(2*pi*x)\ngrid x: 4, y: 5\nmarch strang, steps: 2\n",
    "dopri5": HEAD + "field u(x, t)\nlearn D(t) = 0.1 > 0, q = 0.3\ninput s(t)\ndt(u) = D*dxx(u) - u^3 + s\n"
    "boundary x = 0: u = q*t\nboundary x = 1: dn(u) = 0\ninitial u = sin(pi*x)\ngrid x: 5\n"
    "march dopri5, steps: 2, tolerance: 1e-12\n",
    "upwind": HEAD + "field u(x, t)\nlearn c(x) = 1 > 0, q = 0.3 > 0\ndt(u) = -c*dx(u) - dx(u^2)\nboundary x = 0: u = q\n"
    "boundary x = 1: outflow\ninitial u = 1 + x\ngrid x: 6, upwind 3\nmarch ssprk3, steps: 2\n",
    "backward_euler": HEAD + "field u(x, t)\nlearn D = 0.1 > 0, q = 0.3\ndt(u) = dx(D*u*dx(u)) + q\nboundary x = 0: u = q\n"
    "boundary x = 1: u + dn(u) = t\ninitial u = 1 + x^2\ngrid x: 5\nmarch backward_euler, steps: 2\n",
    "imex_euler": HEAD + "field u(x, t)\nlearn a(x) = 0.1 > 0, q = 0.3\ndt(u) = div(a*grad(u)) - sin(u)\nboundary x = 0: u = q\n"
    "boundary x = 1: u + dn(u) = t\ninitial u = 1 + x^2\ngrid x: 5\nmarch imex_euler, steps: 2\n",
    "etd1": HEAD + "field psi(x, t) complex\nlearn D = 0.5 > 0, V(x) = x\ni*dt(psi) = -D*dxx(psi) + V*psi\nboundary periodic\n"
    "initial psi = 1 + 0.2*exp(2*pi*i*x)\ngrid x: 5\nmarch etd1, steps: 2\n",
    "regions": PLANE + "field u(x, y, t)\nlearn D = 0.1 > 0\ninput image[1](x, y)\ndt(u) = D*lap(u)\nboundary periodic\n"
    "initial u = image[0]\ngrid x: 4, y: 6\nmarch euler, steps: 1\noutput z[4] = linear(regions(u^2, 6)/integral(u^2, x, y))\n",
}  # fmt: skip


@pytest.mark.parametrize("free", ["none", "kernels", "layers"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_gradcheck(name: str, free: str) -> None:
    network = "mlp" if free == "layers" and "closure" in name else "cnn"
    _, net = compiled(MODELS[name], network, free)
    perturb(net, size=0.1)
    steps = net.STEPS
    inputs = random_inputs(net, steps, batch=2)
    state = net.initial_state(2, **inputs).detach().clone().requires_grad_()
    names = [n for n, p in net.named_parameters() if p.requires_grad]
    values = [p.detach().clone().requires_grad_() for n, p in net.named_parameters() if p.requires_grad]
    given = [v.requires_grad_() for v in inputs.values()]

    def run(state: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        arrays = dict(zip(inputs, rest[: len(given)], strict=True))
        parameters = dict(zip(names, rest[len(given) :], strict=True))
        found = torch.func.functional_call(net, parameters, (), {**arrays, "state": state, "steps": steps})
        return found if isinstance(found, torch.Tensor) else torch.cat([v.flatten(1) for v in found.values()], dim=1)

    assert torch.autograd.gradcheck(run, (state, *given, *values), eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("wall", ["u = 0", "dn(u) = 0", "u + 0.3*dn(u) = 0"])
@pytest.mark.parametrize(("order", "size"), [(2, "5x3"), (4, "5x3"), (6, "5x3"), (2, "3x5"), (4, "3x7")])
def test_adjoint_is_the_transpose(wall: str, order: int, size: str) -> None:
    text = PLANE + (
        f"field u(x, y, t)\nlearn K stencil {size}\ndt(u) = OPERATOR\nboundary x: periodic\nboundary y = 0: {wall}\n"
        f"boundary y = 1: u = 0\ninitial u = 0\ngrid x: 7, y: 9\norder {order}\nmarch euler, steps: 1\n"
    )
    _, forward = compiled(text.replace("OPERATOR", "K(u)"))
    _, backward = compiled(text.replace("OPERATOR", "adjoint(K)(u)"))
    generator = torch.Generator().manual_seed(order)
    u, v = (torch.randn(3, 1, 7, 9, dtype=torch.float64, generator=generator) for _ in range(2))
    dt = forward.DT
    ku, kv = ((net.march(w).detach() - w) / dt for net, w in ((forward, u), (backward, v)))
    left, right = (ku * v).sum(), (u * kv).sum()
    assert abs(float(left - right)) <= 1e-12 * float(ku.norm() * v.norm()) / min(dt, 1)


@pytest.mark.parametrize(
    ("network", "free"), [("cnn", "kernels"), ("cnn", "layers"), ("mlp", "kernels"), ("mlp", "layers")]
)
@pytest.mark.parametrize("name", ["burgers", "closure", "heat_rod", "schrodinger", "wave"])
def test_released_network_starts_as_the_scheme_and_trains(name: str, network: str, free: str) -> None:
    text = (EXAMPLES / f"{name}.npde").read_text()
    _, scheme = compiled(text, network)
    _, net = compiled(text, network, free)
    steps = 3
    expected, found = scheme(steps=steps), net(steps=steps)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12 * float(expected.detach().abs().max()))
    target = (1.01 * expected).detach()
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=1e-7)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = ((net(steps=steps) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert any(n.startswith(("raw_kernel_", "matrix_")) for n, p in net.named_parameters() if p.requires_grad)
