"""What MkDocs is told beside mkdocs.yml: pages of files outside docs/, and where links lead."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from handbook.sources import for_the_site, origin, outside


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made of files outside docs/."""
    for page, text in outside(Path(config.docs_dir).parent).items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to the pages of the site."""
    del config, files  # handed to every hook
    return for_the_site(origin(page.file.src_uri), markdown)
