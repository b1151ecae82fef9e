// What the page loads at its start. Scripts that belong to one component lie beside it.

import { watchAccordions } from "./common/accordions.js";
import { startAnnouncements } from "./common/announcements.js";
import "./common/changed_settings.js";
import "./common/outdated_sentences.js";
import "./common/prompt_weights.js";
import "./common/result_view.js";
import "./common/roving.js";
import "./common/shortcuts.js";
import "./common/skip_link.js";
import "./common/when_done.js";
import "./tabs/sketch_to_image/pad/pad.js";
import "./words/completion.js";
import { watchSeeds } from "./common/seed.js";
import { watchTabs } from "./common/tabs.js";
import { watchUploadsAndToasts } from "./common/uploads_and_toasts.js";

watchTabs();
watchAccordions();
watchSeeds();
watchUploadsAndToasts();
startAnnouncements();
