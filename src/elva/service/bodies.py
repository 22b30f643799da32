"""What requests and answers look like; OpenAPI is made from these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from elva.service.limits import LIMITS

Text = Annotated[str, Field(max_length=LIMITS.characters)]
Id = Annotated[str, Field(max_length=4_096)]
Parts = Annotated[list[Text], Field(max_length=LIMITS.parts)]
Ids = Annotated[list[Id], Field(max_length=LIMITS.parts)]
Image = Annotated[
    str,
    Field(description="The picture itself, as a data URL or in base64; an address only where its host is allowed."),
]


class Body(BaseModel):
    """What a client sends; a field that isn't known is refused, since it would do nothing."""

    model_config = ConfigDict(extra="forbid")


class ItemBody(Body):
    """Words, an image, or both."""

    text: Text | None = None
    image: Image | None = None
    instruction: Text | None = None


class SearchBody(ItemBody):
    """A query: words, an image or indexed items, and what results are to be without."""

    minus: Parts = Field([], description="In words, what results should not be like.")
    like: Ids = Field([], description="Ids of indexed items that are part of the query.")
    unlike: Ids = Field([], description="Ids of indexed items that results should not be like.")
    where: Text | None = Field(None, description="A condition on metadata: colour = red and price < 40")
    match: Text | None = Field(None, description="Words that must occur in a result's text or summary.")
    hybrid: bool = Field(False, description="Rank by the query's words, too (BM25), and fuse both rankings.")
    top: int = Field(24, ge=1, le=LIMITS.top)
    rerank: int | None = Field(None, ge=1, le=LIMITS.rerank, description="How many of the nearest are reranked.")
    fold: bool = Field(True, description="List near-duplicates beneath the best of them.")


class ExplainBody(ItemBody):
    """A query to be taken apart."""

    grains: Annotated[list[Text], Field(max_length=32)] | None = Field(
        None, description="Exactly these words of the text as grains, in place of those that are found."
    )
    top: int = Field(10, ge=1, le=LIMITS.top)


class LackingBody(Body):
    """Words of a text, and results that may lack them."""

    text: Annotated[str, Field(min_length=1, max_length=LIMITS.characters)]
    spans: Annotated[list[tuple[int, int]], Field(min_length=1, max_length=32)] = Field(
        description="Where the words begin and end, in characters of the text, as /explain gives them."
    )
    ids: Annotated[list[Id], Field(min_length=2, max_length=64)] = Field(
        description="The results, which are compared with each other."
    )


class LackingAnswer(BaseModel):
    """For each id and span, how many nats more probable the words are behind it than behind the others on average."""

    nats: list[list[float | None]]


class EmbedBody(Body):
    """Items to embed."""

    items: Annotated[list[ItemBody], Field(min_length=1, max_length=LIMITS.items)]


class Part(Body):
    """A part of what OpenAI's clients send where an input is more than words."""

    type: Literal["text", "image_url"]
    text: Text | None = None
    image_url: Image | None = None


Inputs = Annotated[list[Text | Annotated[list[Part], Field(min_length=1, max_length=2)]], Field(min_length=1)]


class EmbeddingsBody(BaseModel):
    """As OpenAI's `/v1/embeddings`; an input may also be a list of a text part and an image part."""

    input: Text | Annotated[Inputs, Field(max_length=LIMITS.items)]
    model: Annotated[str, Field(max_length=200)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Copy(BaseModel):
    """A near-duplicate of a result."""

    id: str
    score: float


class Row(BaseModel):
    """An indexed item."""

    id: str
    text: str | None
    summary: str
    metadata: dict[str, Any]
    image: bool


class ResultRow(Row):
    """One result."""

    rank: int
    score: float
    likelihood: float | None
    same: list[Copy]


class SearchAnswer(BaseModel):
    """What the index says to a query."""

    summary: str = Field(description="What the model wrote about the query.")
    results: list[ResultRow]
    folded: int
    notes: list[str] = Field(description="What was done otherwise than asked.")
    seconds: dict[str, float]
    version: int = Field(description="Of the index.")


class ItemsAnswer(BaseModel):
    """Indexed items, in order of id."""

    items: list[Row]
    total: int
    next: str | None = Field(description="Pass it as `after` for the items that follow; null at the end.")


class EmbedAnswer(BaseModel):
    """Unit vectors in the order of the items."""

    model: str
    vectors: list[list[float]]
    summaries: list[str]
    forced_ret: int
    truncated: int


class Embedding(BaseModel):
    """One vector, as numbers or as little-endian float32 in base64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens are not counted: always 0."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class EmbeddingsAnswer(BaseModel):
    """As OpenAI answers."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage = Usage()


class Health(BaseModel):
    """Whether requests are taken."""

    ready: bool
    model: str
    items: int
    version: int
    waiting: int


class FacetRow(BaseModel):
    """A field to filter by: its values with their counts, or its range."""

    name: str
    values: list[tuple[str | bool | int | float, int]]
    low: float | None
    high: float | None


class About(BaseModel):
    """What a page has to know before the first query."""

    name: str
    model: str
    extraction: str
    dimension: int
    items: int
    images: int
    version: int
    can_rerank: bool
    can_explain: bool
    can_lack: bool
    characters: int
    body: int
    top: int
    facets: list[FacetRow]
    fields: list[str]
    samples: list[Row]
    examples: list[str]
