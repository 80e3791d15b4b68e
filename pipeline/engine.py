"""Samples many requests together."""

from collections.abc import Iterable, Iterator

from attention import AttentionOrder, plan
from pipeline.draw import fitted
from pipeline.errors import PictureError, RequestError
from pipeline.graphs import Graphs
from pipeline.job import Plan
from pipeline.model import Model
from pipeline.request import GenerationRequest
from pipeline.result import Step
from pipeline.session import Session, refused


class Engine:
    """What requests are drawn with: a model, a plan of backends for each size, and room for `max_rows`
    predictions in a U-Net call.

    Args:
        exact: a call for each request, so that its pixels are the same bit for bit whatever is drawn
            beside it; without it they are within rounding of one step of 1/255.
        graphs: the model's U-Net compiled; None calls it as it is.
    """

    def __init__(
        self,
        model: Model,
        order: AttentionOrder | None = None,
        *,
        max_rows: int = 8,
        exact: bool = False,
        graphs: Graphs | None = None,
    ) -> None:
        self.model = model
        self.order = order
        self.max_rows = max_rows
        self.exact = exact
        self.graphs = graphs
        self._plans: dict[tuple[int, int], Plan] = {}

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the model's values in its open fields.

        Raises:
            RequestError: the model cannot do what is asked for.
        """
        if request.clip_skip > (limit := self.model.text.max_clip_skip):
            raise RequestError(f"clip_skip is {request.clip_skip}; must be from 1 to {limit} for this model")
        if self.graphs is not None and request.lossy_cache_interval > 1:
            raise RequestError(
                f"lossy_cache_interval is {request.lossy_cache_interval}; a compiled U-Net computes every "
                "prediction whole: set it to 1, or leave compile out"
            )
        height, width = self.model.native_size
        resolved = request.resolved(
            width=width, height=height, guidance_scale=self.model.family.guidance_scale, scheduler="model"
        )
        return fitted(resolved, self.model)

    def plan(self, request: GenerationRequest) -> Plan:
        """Which backend every attention site gets for a picture of this size.

        Raises:
            BackendRefused: the order cannot be obeyed.
            RequestError: the model cannot do what is asked for.
        """
        return self.plans_of(self.resolve(request))[0]

    def plans_of(self, request: GenerationRequest) -> list[Plan]:
        """The plan of each pass of a resolved request."""
        sizes = dict.fromkeys([(request.width, request.height), request.final_size])
        return [self.plan_of(*self.model.latent_shape(h, w)[1:]) for w, h in sizes if w and h]

    def plan_of(self, height: int, width: int) -> Plan:
        """Which backend every attention site gets at a latent of this size."""
        if (height, width) not in self._plans:
            unet = self.model.unet
            specs = unet.attention_specs(height, width, self.model.text.length, batch=self.max_rows)
            kinds = {site.name: site.kind for site in unet.sites}
            self._plans[height, width] = plan(specs, kinds, self.order)
        return self._plans[height, width]

    def session(self, *, later: bool = False) -> Session:
        """Nothing in flight yet.

        Args:
            later: leave the decoding of finished pictures to whoever takes their last step (`Step.finish`).
        """
        self.model.hash.start()  # it goes into every picture's record, and is there by then
        return Session(self, later=later)

    def run(self, requests: Iterable[GenerationRequest]) -> Iterator[Step]:
        """Yields a `Step` for every prediction of every request; stop iterating to cancel.

        A request that fails brings its error in its last step, and the others go on.
        """
        session, waiting = self.session(), enumerate(requests)
        while True:
            while session.free_rows > 0 and (pair := next(waiting, None)):
                try:
                    session.add(pair[1])
                except PictureError as error:
                    yield refused(*pair, error)
            if not session.is_busy:
                return
            yield from session.step()
