"""`studio`: the calls for a cell. The same verbs, names, store and spending limits as the MCP server's."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from backends.jobs import marks
from backends.jobs.views import Job as JobView
from backends.request import VideoRequest
from backends.settings import Settings
from backends.studio import Quote, Studio
from backends.terms import Named, Terms, build_terms
from notebook_ext.calls import FilmOptions, Options, asked, call_of, film_asked
from notebook_ext.error_text import boundary
from notebook_ext.home import Home, notebook_home
from notebook_ext.job import Job
from notebook_ext.media_names import media_name
from notebook_ext.signatures import with_options

if TYPE_CHECKING:
    from notebook_ext.prices import Prices
    from notebook_ext.ranking import Ranking
    from notebook_ext.results import Jobs, Look, Models
    from notebook_ext.sweep import Sweep
    from notebook_ext.table import JobTable

NOTHING = Decimal(0)


@with_options
@boundary
class NotebookStudio:
    """Starting calls return a Job at once; its card shows itself, and `await job` waits.

    A repeated call is the same job, paid once: re-running a cell never pays twice. max_cost_usd is 0 unless given.
    Every method may raise VideoError.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}

    @cached_property
    def home(self) -> Home:
        home = notebook_home(self._settings)
        if home.free_only:
            print(f"note: {home.free_only}")  # noqa: T201
        return home

    @cached_property
    def inner(self) -> Studio:
        """The back end's own studio, for everything else."""
        with self._lock:
            return Studio.open(self.home.settings, client="notebook")

    # making clips

    def generate_video(self, prompt: str, *, clip: object = None, **options: Unpack[Options]) -> Job:
        """Start a clip from a prompt, or restyle `clip` (a path, URL or job)."""
        return self._start("generate_video", {"prompt": prompt, "clip": clip, **options})

    def image_to_video(self, image: object, prompt: str = "", **options: Unpack[Options]) -> Job:
        """Start a clip from a still (a path, URL, array, PIL image or `job.last_frame`)."""
        return self._start("image_to_video", {"image": image, "prompt": prompt, **options})

    def interpolate_keyframes(self, frames: object, prompt: str = "", **options: Unpack[Options]) -> Job:
        """Start a clip through the given stills: images, (image, at_s) pairs, mappings, or a keyframe picker."""
        return self._start("interpolate_keyframes", {"frames": frames, "prompt": prompt, **options})

    def extend_clip(self, clip: object, add_s: float, prompt: str = "", **options: Unpack[Options]) -> Job:
        """Start a clip that continues `clip` by add_s seconds; the result holds the whole clip."""
        return self._start("extend_clip", {"clip": clip, "add_s": add_s, "prompt": prompt, **options})

    def finish_clip(self, clips: object | Sequence[object], **options: Unpack[FilmOptions]) -> Job:
        """Start one film of clips (also jobs that are not finished yet) and images. Free, and made on this machine.

        clips: 1 to 50 paths, URLs, jobs or pictures, in order; `#t=FROM,TO` (seconds) takes a part, or says how long
        an image is held.
        """
        film, terms = film_asked(clips, options, self.home.folder, cap=NOTHING)
        if self.home.free_only and not _is_free(self.inner.quote_finish(film, terms)):
            self.home.refuse_paid()
        ticket = self.inner.finish_clip(film, terms)
        return self._job(self.inner.get(ticket.job_id), replayed=ticket.replayed)

    def _start(self, verb: str, given: Mapping[str, Any]) -> Job:
        request, terms = asked(verb, given, self.home.folder, cap=NOTHING)
        return self.make(request, terms)

    def make(self, request: VideoRequest, terms: Terms | None = None, **named: Unpack[Named]) -> Job:
        """Start an existing `backends.request.VideoRequest`. Its terms: as one object, or each as a keyword
        (`label="boat"`)."""
        terms = build_terms(terms, **named)
        if self.home.free_only and not _is_free(self.inner.quote(request, terms)):
            self.home.refuse_paid()
        ticket = self.inner.submit(request, terms)
        return self._job(self.inner.get(ticket.job_id), replayed=ticket.replayed)

    def quote(self, verb: str, **given: Any) -> Quote:
        """What a starting call would choose and its highest cost, or the existing job. Starts nothing."""
        request, terms = asked(verb, given, self.home.folder, cap=None)
        return self.inner.quote(request, terms)

    def next_take(self, job: Job, max_cost_usd: float | Decimal | None = None) -> Job:
        """Start the first unused take of a job's request, by the same model."""
        cap = NOTHING if max_cost_usd is None else Decimal(str(max_cost_usd))
        if self.home.free_only and not _is_free(self.inner.quote_again(job.job_id)[1]):
            self.home.refuse_paid()
        ticket = self.inner.again(job.job_id, max_cost_usd=cap)
        return self._job(self.inner.get(ticket.job_id))

    # looking things up

    def estimate_cost(self, prompt: str = "", *, count: int = 1, limit: int = 50, **given: Any) -> Prices:
        """The models that can do exactly this, ranked, with their prices. Spends nothing, starts nothing."""
        from notebook_ext.prices import prices

        return prices(self, prompt, given, count, limit)

    def list_models(
        self, task: str | None = None, query: str | None = None, include_retired: bool = False, limit: int = 20
    ) -> Models:
        """Compact rows of the models that match, and how many more there are."""
        from notebook_ext.results import Models

        return Models(self.inner.models(task, query, include_retired, limit))

    def inspect_clip(self, clip: object, frames: int = 8, against: object = None) -> Look:
        """Facts, measures and a contact sheet of a clip or still. against: another clip to compare it with."""
        from notebook_ext.results import Look

        other = None if against is None else media_name(against, self.home.folder)
        return Look.of(self.inner.inspect(media_name(clip, self.home.folder), frames, other))

    def job(self, job: str | Job) -> Job:
        """The job with this id or URI, whoever started it."""
        if isinstance(job, Job):
            return job
        return self._job(self.inner.get(job))

    get_job = job

    def _job(self, view: JobView, *, replayed: bool = False) -> Job:
        """One Job object per id, so that every card of it gets the same updates."""
        with self._lock:
            known = self._jobs.get(view.job_id)
            if known is None:
                known = self._jobs[view.job_id] = Job(self, view)
            known.replayed = replayed
            known.view = view
            return known

    def list_jobs(
        self, state: str | None = None, label: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Jobs:
        """Jobs, newest first, with the total spend."""
        from notebook_ext.results import Jobs

        return Jobs(**dict(self.inner.list(state, label, limit, cursor)))

    def cancel_job(self, job: str | Job) -> Job:
        """Stop a job."""
        return self.job(job).cancel()

    async def wait_for_job(self, jobs: str | Job | Sequence[str | Job]) -> list[Job]:
        """Wait for all of them; a failed one raises."""
        many = [jobs] if isinstance(jobs, str | Job) else jobs
        return [await self.job(job) for job in many]

    def mark(
        self, job: str | Job, *, star: bool | None = None, note: str | None = None, picked: bool | None = None
    ) -> Job:
        """Mark a job's clip for everyone who works with this store: a star, a note of at most 500 characters, whether
        it is the pick. Omitted marks stay as they are."""
        found = self.job(job)
        marks.put(self.inner.context.store, found.job_id, star=star, note=note, picked=picked)
        found._update(found.view)
        return found

    def marks(self, jobs: Sequence[str]) -> dict[str, marks.Mark]:
        """The marks of jobs by job id; jobs without one are left out."""
        return marks.of(self.inner.context.store, jobs)

    def code(self, job_id: str) -> str:
        """The Python call that makes a job's request again."""
        return call_of(self.inner.get(job_id), self.inner.detail(job_id))

    # research

    def sweep(
        self,
        request: VideoRequest | Mapping[str, Any],
        models: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        *,
        takes: int = 1,
        max_cost_usd: float | Decimal = 0,
        label: str = "sweep",
    ) -> Sweep:
        """The same shot by every model and seed, `takes` times each. The total price is shown first and must be below
        one limit.

        request: a VideoRequest, or the arguments of a starting call as a mapping. A model without seeds gets as many
        takes instead, with a note.
        """
        from notebook_ext.sweep import sweep

        return sweep(self, request, models, seeds, Decimal(str(max_cost_usd)), label, takes)

    def rank(self, jobs: Sequence[str | Job] | Sweep, by: str | Sequence[str] = ("sharpness", "flicker")) -> Ranking:
        """Finished clips, best first by measures of `inspect_clip`: sharpness, motion (more is better), flicker, seam,
        ends_apart, cost_usd, seconds (less is better). By several: the mean of a clip's places. Your picks and stars
        are shown beside them; a measure says nothing about whether you like the picture."""
        from notebook_ext.ranking import ranking

        listed = jobs if isinstance(jobs, Sequence) else jobs.jobs
        return ranking(self, listed, [by] if isinstance(by, str) else list(by))

    def table(self, jobs: Sequence[str | Job] | None = None) -> JobTable:
        """Seconds, cost, memory, steps, revision and facts of jobs (the newest 50 when left out)."""
        from notebook_ext.table import JobTable

        found = self.inner.recent() if jobs is None else [self.job(job).refresh() for job in jobs]
        return JobTable(self, found)

    def close(self) -> None:
        """Close the store. Jobs go on by themselves."""
        if "inner" in self.__dict__:
            self.inner.close()


def _is_free(quote: Quote) -> bool:
    return quote.job is not None or (quote.estimate is not None and quote.estimate.usd_high == 0)


def the_studio() -> NotebookStudio:
    """The process's one studio."""
    return studio


studio = NotebookStudio()
