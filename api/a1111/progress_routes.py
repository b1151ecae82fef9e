"""How far the jobs of A1111's clients are, and the routes that stop them. The page's own jobs are not theirs to stop."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from api.a1111.models import ProgressAnswer
from api.context import COMPATIBLE_PAGE, ApiContext, Json
from api.images import write_base64
from engine.jobs import JobState

_JUST_BEGUN = 0.01
"""The progress of a job that has no step yet: clients take 0 for "nothing to do"."""

_MOST = 1000
"""Jobs of the queue that are looked at."""


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["A1111"])

    @routes.get("/sdapi/v1/progress", response_model=ProgressAnswer)
    async def progress(skip_current_image: bool = False) -> ProgressAnswer:
        """How far the job is that runs, with a preview unless it is not wanted."""
        return _write_progress(await context.run(_list_jobs, context), not skip_current_image)

    @routes.post("/sdapi/v1/interrupt")
    async def interrupt() -> Json:
        """Stop the job that runs. The request that waits for it is answered with what is ready."""
        await context.run(_stop_first, context)
        return {}

    @routes.post("/sdapi/v1/skip")
    async def skip() -> Json:
        """As interrupt: Easel has no way to leave out one of several pictures."""
        await context.run(_stop_first, context)
        return {}

    @routes.get("/queue/status")
    async def queue_status() -> Json:
        """How many jobs wait, as Gradio's queue said."""
        waiting = [state for state in await context.run(context.jobs.line, _MOST) if state.started is None]
        return {"msg": "estimation", "queue_size": len(waiting), "rank": None, "avg_event_process_time": None, "rank_eta": None}

    return routes


def _list_jobs(context: ApiContext) -> list[JobState]:
    """The jobs of A1111's clients that run or wait, in the order in which they run."""
    return [state for state in context.jobs.line(_MOST) if state.page == COMPATIBLE_PAGE]


def _stop_first(context: ApiContext) -> None:
    for state in _list_jobs(context)[:1]:
        context.jobs.stop(state.id)


def _write_progress(jobs: list[JobState], with_image: bool) -> ProgressAnswer:
    first = jobs[0] if jobs else None
    step = first.progress if first else None
    share = (step.index + step.step / max(step.steps, 1)) / max(step.count, 1) if step else 0.0
    return ProgressAnswer(
        progress=min(max(share, _JUST_BEGUN), 1.0) if first else 0.0,
        eta_relative=(step.seconds_left or 0.0) if step else 0.0,
        state=_write_state(first, len(jobs)),
        current_image=write_base64(step.preview) if step and step.preview and with_image else None,
        textinfo=None if first is None or step else "Waiting",
    )


def _write_state(first: JobState | None, count: int) -> Json:
    step = first.progress if first else None
    begun = datetime.fromtimestamp(first.started) if first and first.started else None
    return {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": first.id if first else "",
        "job_count": count,
        "job_timestamp": f"{begun:%Y%m%d%H%M%S}" if begun else "0",
        "job_no": step.index if step else 0,
        "sampling_step": step.step if step else 0,
        "sampling_steps": step.steps if step else 0,
    }
