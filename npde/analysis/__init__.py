"""What is known about a scheme before it runs: order, step bound, cost."""

from npde.analysis.summary import Analysis, StepCost, analyze, time_order

__all__ = ["Analysis", "StepCost", "analyze", "time_order"]
